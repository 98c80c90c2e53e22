"""The API's description of itself, and the page made from it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from api.pages.markup import element, joined
from tests.support.api import Api


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    answer = api.with_token(None).get("/schema/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    described: dict[str, Any] = answer.json()
    return described


def test_every_operation_of_the_design_is_described(document: dict[str, Any]) -> None:
    described = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}

    assert described == {
        "POST /v1/users",
        "GET /v1/users",
        "GET /v1/users/{userId}",
        "PATCH /v1/users/{userId}",
        "POST /v1/users/{userId}/email-change",
        "POST /v1/email-verifications",
        "PUT /v1/users/{userId}/consents/{purpose}",
        "POST /v1/users/{userId}/suspension",
        "DELETE /v1/users/{userId}/suspension",
        "POST /v1/users/{userId}/deactivation",
        "DELETE /v1/users/{userId}/deactivation",
        "POST /v1/users/{userId}/deletion",
        "DELETE /v1/users/{userId}/deletion",
        "POST /v1/users/{userId}/export",
        "GET /v1/users/{userId}/export",
        "GET /v1/users/{userId}/events",
        "GET /v1/users/{userId}/state",
        "GET /v1/users/{userId}/diff",
        "GET /v1/audit/events",
        "GET /v1/audit/events/export",
        "GET /v1/audit/accesses",
        "GET /v1/audit/checkpoint",
        "GET /v1/audit/keys",
        "GET /v1/audit/proofs/consistency",
        "GET /v1/audit/proofs/inclusion",
        "GET /v1/statistics/users",
        "GET /v1/statistics/countries",
        "GET /v1/statistics/consents",
        "GET /v1/statistics/purposes",
        "GET /v1/projections",
        "GET /v1/projections/{name}/rebuilds/{rebuildId}/progress",
        "POST /v1/projections/{name}/rebuilds",
        "GET /v1/projections/{name}/rebuilds/{rebuildId}",
        "GET /v1/projections/{name}/letters",
        "GET /v1/projections/{name}/letters/{letterId}",
        "POST /v1/projections/{name}/letters/{letterId}/retries",
        "POST /v1/projections/{name}/letters/{letterId}/resolution",
        "POST /v1/users/{userId}/erasure",
        "GET /v1/users/{userId}/erasure",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_operation_says_what_it_is_who_may_and_how_it_refuses(document: dict[str, Any]) -> None:
    for operation in operations_in(document):
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}
        assert bool(operation["security"]) == ("x-permission" in operation) == ("401" in operation["responses"])
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"]


def test_every_command_can_be_repeated_and_tells_its_version_and_position(document: dict[str, Any]) -> None:
    receipt = {"$ref": "#/components/schemas/UserReceipt"}
    for operation in operations_in(document):
        good = operation["responses"].get("200", operation["responses"].get("201", {}))
        if good.get("content", {}).get("application/json", {}).get("schema") == receipt:
            assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
            assert {"ETag", "Log-Position"} <= set(good["headers"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in references_in(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_content_with_unknown_fields_is_described_as_refused(document: dict[str, Any]) -> None:
    for operation in operations_in(document):
        for described in operation.get("requestBody", {}).get("content", {}).values():
            schema = document["components"]["schemas"][described["schema"]["$ref"].rpartition("/")[2]]
            assert schema["additionalProperties"] is False


def test_the_page_shows_every_operation(api: Api, document: dict[str, Any]) -> None:
    page = api.with_token(None).get("/docs").text

    for operation in operations_in(document):
        assert f'id="{operation["operationId"]}"' in page
    assert "Ada Lovelace" in page


def test_the_page_and_all_it_loads_come_from_here(api: Api) -> None:
    anybody = api.with_token(None)
    page = anybody.get("/docs")
    loaded = Loaded(page.text)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert loaded.addresses == {"/docs/reference.css", "/docs/reference.js", "/docs/reference.svg"}
    assert not loaded.inline
    for address in loaded.addresses:
        file = anybody.get(address)
        assert file.status_code == 200
        outside = set(re.findall(rb"(?:https?:)?//[\w.]+", file.content)) - {b"http://www.w3.org"}
        assert not {address for address in outside if b"." in address}
    policy = dict(directive.strip().split(" ", 1) for directive in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}


def test_text_in_a_page_is_never_taken_for_markup() -> None:
    shown = element("p", "<script>alert('&')</script>", element("b", '"'), title='"><script>', hidden=False, open=True)

    assert shown == (
        '<p title="&quot;&gt;&lt;script&gt;" open>'
        "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;<b>&quot;</b></p>"
    )
    assert joined("a<b", element("br"), None) == "a&lt;b<br></br>"


class Loaded(HTMLParser):
    """What a page makes a browser load by itself, and what it holds that a strict policy would block."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "source"} and given.get("src"):
            self.addresses.add(str(given["src"]))
        elif tag == "link":
            self.addresses.add(str(given["href"]))
        elif tag in {"script", "style"} or any(name.startswith("on") or name == "style" for name in given):
            self.inline.append(tag)


def operations_in(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def references_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for inner in part.values():
            yield from references_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references_in(inner)
