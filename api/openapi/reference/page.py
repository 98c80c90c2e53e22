"""The page, made from the OpenAPI document."""

import json
import re
from itertools import groupby
from typing import Any

from api.pages.markup import Markup, element, joined

Json = dict[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
_REFERENCE = re.compile(r".*/")


def reference_page(document: Json) -> str:
    """The whole page."""
    operations = [
        (operation["tags"][0], path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    order = list(tags)
    operations.sort(key=lambda found: (order.index(found[0]), found[1], METHODS.index(found[2])))
    return "<!doctype html>\n" + element(
        "html",
        _head(document["info"]["title"]),
        element(
            "body",
            _introduction(document["info"]),
            element(
                "main",
                *(_section(tag, tags[tag], list(found)) for tag, found in groupby(operations, key=lambda o: o[0])),
                _schemas(document["components"]["schemas"]),
            ),
        ),
        lang="en",
    )


def _head(title: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} API"),
        element("link", rel="icon", href="/docs/reference.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/docs/reference.css"),
        element("script", src="/docs/reference.js", defer=True),
    )


def _introduction(info: Json) -> Markup:
    return element(
        "header",
        element("h1", info["title"]),
        _text(info["description"]),
        element(
            "p",
            "Described for programs: ",
            element("a", "/schema/openapi.json", href="/schema/openapi.json"),
            ". Make a token with ",
            element("code", "reprise token --role admin"),
            ".",
        ),
        element(
            "label",
            "Access token",
            element("input", id="token", type="password", autocomplete="off", spellcheck="false"),
            element("span", "is kept in this page only, until it is closed", class_="hint"),
        ),
    )


def _section(tag: str, description: str, found: list[tuple[str, str, str, Json]]) -> Markup:
    return element(
        "section",
        element("h2", tag),
        element("p", description),
        *(_operation(path, method, operation) for _, path, method, operation in found),
    )


def _operation(path: str, method: str, operation: Json) -> Markup:
    return element(
        "details",
        element(
            "summary",
            element("span", method.upper(), class_=f"method {method}"),
            element("code", path),
            element("span", operation["summary"], class_="hint"),
        ),
        _text(operation["description"]),
        _try_it(path, method, operation),
        element("h4", "Answers"),
        element("table", *(_answer(status, answer) for status, answer in operation["responses"].items())),
        id=operation["operationId"],
    )


def _try_it(path: str, method: str, operation: Json) -> Markup:
    parameters = operation["parameters"]
    return element(
        "form",
        element("table", *map(_parameter, parameters)) if parameters else None,
        _content(operation.get("requestBody")),
        element("button", "Send", type="submit"),
        element("pre", class_="answer", hidden=True),
        data_method=method.upper(),
        data_path=path,
    )


def _parameter(parameter: Json) -> Markup:
    schema = parameter["schema"]
    return element(
        "tr",
        element("th", element("code", parameter["name"]), _required(parameter["required"])),
        element(
            "td",
            element(
                "input",
                name=parameter["name"],
                data_in=parameter["in"],
                aria_label=parameter["name"],
                required=bool(parameter["required"]),
                placeholder=_type(schema),
                spellcheck="false",
            ),
        ),
        element("td", parameter.get("description"), _limits(schema)),
    )


def _content(content: Json | None) -> Markup | None:
    if content is None:
        return None
    media_type, described = next(iter(content["content"].items()))
    return element(
        "label",
        joined("Content, ", element("code", media_type), ": ", _schema_link(described["schema"])),
        element(
            "textarea",
            json.dumps(described.get("example", {}), indent=2, ensure_ascii=False),
            data_media_type=media_type,
            rows="8",
            spellcheck="false",
        ),
    )


def _answer(status: str, answer: Json) -> Markup:
    links = [_schema_link(described["schema"]) for described in answer.get("content", {}).values()]
    headers = ", ".join(answer.get("headers", {}))
    return element(
        "tr",
        element("th", status),
        element("td", _code(answer["description"]), f" Headers: {headers}." if headers else None),
        element("td", *links),
    )


def _schemas(schemas: Json) -> Markup:
    return element(
        "section",
        element("h2", "Schemas"),
        *(
            element(
                "details",
                element("summary", element("code", name), element("span", schema.get("description"), class_="hint")),
                element(
                    "table",
                    *(_property(name, schema, described) for name, described in schema.get("properties", {}).items()),
                ),
                element("p", "One of: ", ", ".join(map(str, schema["enum"]))) if "enum" in schema else None,
                id=f"schema-{name}",
            )
            for name, schema in schemas.items()
        ),
    )


def _property(name: str, schema: Json, described: Json) -> Markup:
    return element(
        "tr",
        element("th", element("code", name), _required(name in schema.get("required", []))),
        element("td", _type(described)),
    )


def _required(required: bool) -> Markup | None:  # noqa: FBT001 - one of two
    return element("span", " required", class_="hint") if required else None


def _type(schema: Json) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "$ref" in schema:
        return _REFERENCE.sub("", schema["$ref"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("format", schema.get("type", "anything")))


def _limits(schema: Json) -> str | None:
    named = {"minimum": "from", "maximum": "to", "minLength": "at least", "maxLength": "at most", "default": "default"}
    limits = [f"{words} {schema[name]}" for name, words in named.items() if name in schema]
    return f" ({', '.join(limits)})" if limits else None


def _schema_link(schema: Json) -> Markup:
    name = _type(schema)
    return element("a", name, href=f"#schema-{name}") if "$ref" in schema else joined(name)


def _text(text: str) -> Markup:
    return joined(*(element("p", _code(paragraph)) for paragraph in text.split("\n\n")))


def _code(text: str) -> Markup:
    """Text between backticks becomes code."""
    return joined(*(element("code", part) if odd % 2 else part for odd, part in enumerate(text.split("`"))))
