"use strict";

// Sends the request that a form describes, and shows what comes back.
async function send(form) {
  const headers = new Headers();
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const input of form.querySelectorAll("input")) {
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (input.dataset.in === "query") query.set(input.name, input.value);
    else headers.set(input.name, input.value);
  }
  const token = document.getElementById("token").value.trim();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const content = form.querySelector("textarea");
  if (content && content.value.trim()) headers.set("Content-Type", content.dataset.mediaType);
  const response = await fetch(query.size ? `${path}?${query}` : path, {
    method: form.dataset.method,
    headers,
    body: content && content.value.trim() ? content.value : undefined,
    cache: "no-store",
  });
  return describe(response, await response.text());
}

function describe(response, text) {
  const lines = [`${response.status} ${response.statusText}`];
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`);
  return `${lines.join("\n")}\n\n${indented(text)}`;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = event.target.querySelector(".answer");
  answer.hidden = false;
  answer.textContent = "…";
  try {
    answer.textContent = await send(event.target);
  } catch (error) {
    answer.textContent = String(error);
  }
});

// A link to an operation or a schema opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
