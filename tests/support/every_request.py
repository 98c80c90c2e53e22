"""A request for every operation that the API describes, made from its description: a new one is there by itself."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.api import described_api

NOBODY = "0190c0de-0000-7000-8000-00000000dead"
SECRET = "AaIQ"
_IN_PATH = {"purpose": "ads", "name": "none", "rebuildId": NOBODY, "letterId": NOBODY}
_IN_QUERY: dict[str, dict[str, str]] = {
    "getState": {"version": "1"},
    "getDiff": {"from": "0"},
    "downloadExport": {"token": SECRET},
    "proveInclusion": {"position": "1"},
    "proveConsistency": {"from": "1"},
    "countConsents": {"purpose": "ads"},
}
_CONTENT: dict[str, Any] = {"Resolution": {"reason": "Known"}}


class Sample(NamedTuple):
    """One request, and all places in which something can be said with it."""

    operation: str
    method: str
    path: str
    """With the names of its parameters in braces."""
    query: dict[str, str]
    content: Any
    path_names: tuple[str, ...]
    query_names: tuple[str, ...]
    header_names: tuple[str, ...]
    fields: tuple[str, ...]
    required: frozenset[str]
    """Names of query parameters and fields that must be there."""
    is_guarded: bool

    def address(self, user_id: str, **said: str) -> str:
        """Where it goes, about a user; `said` are parameters of the path with another value."""
        return self.path.format(**{**_IN_PATH, "userId": user_id, **said})


def every_request() -> Iterator[Sample]:
    """One for every operation, in the order of the paths."""
    document = described_api()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield _sample(document, path, method, operation)


def _sample(document: Any, path: str, method: str, operation: Any) -> Sample:
    def named(place: str) -> tuple[str, ...]:
        return tuple(parameter["name"] for parameter in operation["parameters"] if parameter["in"] == place)

    schema, content = _content(document, operation)
    return Sample(
        operation=operation["operationId"],
        method=method.upper(),
        path=path,
        query=_IN_QUERY.get(operation["operationId"], {}),
        content=content,
        path_names=named("path"),
        query_names=named("query"),
        header_names=named("header"),
        fields=tuple(schema.get("properties", ())),
        required=frozenset(schema.get("required", ()))
        | {
            parameter["name"]
            for parameter in operation["parameters"]
            if parameter["in"] == "query" and parameter["required"]
        },
        is_guarded=bool(operation["security"]),
    )


def _content(document: Any, operation: Any) -> tuple[Any, Any]:
    if "requestBody" not in operation:
        return {}, None
    described = next(iter(operation["requestBody"]["content"].values()))
    name = described["schema"]["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name], described.get("example", _CONTENT.get(name))
