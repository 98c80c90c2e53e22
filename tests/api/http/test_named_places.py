"""Every refusal says truly what it is about: for every operation, each parameter, header and field with a bad value."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.support.api import Api, an_address, nothing_recorded
from tests.support.every_request import Sample, every_request
from tests.support.waiting import eventually

BAD_IN_PATH = {"userId": "17", "purpose": "Ä", "rebuildId": "17", "letterId": "17", "name": None}
"""The name of a projection is looked up, whatever it is."""
BAD_IN_QUERY = {
    "actor": "nobody",
    "at": "noon",
    "command": "17",
    "correlation": "17",
    "country": "xx",
    "createdAfter": "noon",
    "cursor": "forged",
    "day": "noon",
    "email": "nobody",
    "externalId": "a b",
    "format": "x",
    "from": "noon",
    "limit": "0",
    "position": "-1",
    "purpose": "Ä",
    "q": "a",
    "reading": "x",
    "size": "0",
    "status": "happy",
    "to": "noon",
    "token": "x" * 101,
    "topic": "nothing",
    "user": "17",
    "version": "0",
}
BAD_IN_HEADER = {
    "Idempotency-Key": "two words",
    "Reprise-Reason": "",
    "Correlation-Id": "17",
    "If-Match": "5",
    "Min-Log-Position": "soon",
    "Reprise-Purpose": "@",
    "If-None-Match": "5",
    "traceparent": None,
}
"""A `traceparent` without its form does not count (W3C Trace Context)."""
BAD_IN_CONTENT = {
    "email": "nobody",
    "displayName": " ",
    "country": "XX",
    "locale": "qq-QQ",
    "birthDate": "2999-01-01",
    "externalId": "a b",
    "token": "x",
    "documentVersion": "Ä",
    "reason": "",
    "granted": 1,
    "explicitContentFilter": 1,
}


class Case(NamedTuple):
    """One request with one thing wrong, and where that is."""

    sample: Sample
    source: str
    name: str
    value: Any
    """None: it is left out."""

    @property
    def title(self) -> str:
        said = "missing" if self.value is None else str(self.value)[:20]
        return f"{self.sample.operation} {self.source} {self.name} {said}"


def cases() -> Iterator[Case]:
    for sample in every_request():
        for source, names, bad in (
            ("path", sample.path_names, BAD_IN_PATH),
            ("query", sample.query_names, BAD_IN_QUERY),
            ("header", sample.header_names, BAD_IN_HEADER),
            ("body", sample.fields, BAD_IN_CONTENT),
        ):
            for name in names:
                if bad[name] is not None:
                    yield Case(sample, source, name, bad[name])
                if source == "body":
                    yield Case(sample, source, name, [])
                if name in sample.required and source in {"query", "body"}:
                    yield Case(sample, source, name, None)
        yield from common_to(sample)


def common_to(sample: Sample) -> Iterator[Case]:
    """What OpenAPI describes otherwise than as parameters."""
    if sample.is_guarded:
        yield Case(sample, "header", "Accept", "image/png")
        yield Case(sample, "header", "Authorization", "")
        yield Case(sample, "header", "Authorization", "Bearer x")
    if sample.fields:
        yield Case(sample, "header", "Content-Type", "text/plain")
        yield Case(sample, "header", "Content-Type", "application/json; charset=latin-1")
        yield Case(sample, "header", "Content-Encoding", "gzip")


def request_with(case: Case, user_id: str) -> tuple[str, dict[str, Any]]:
    sample, name, value = case.sample, case.name, case.value
    path = {name: value} if case.source == "path" else {}
    alternatives = [] if case.source != "query" else [key for key in sample.query if key not in sample.required]
    query = {key: text for key, text in sample.query.items() if key not in alternatives}
    content = dict(sample.content) if isinstance(sample.content, dict) else sample.content
    if content and "email" in content:
        content["email"] = an_address()
    changed = query if case.source == "query" else content if case.source == "body" else {}
    changed.pop(name, None)
    changed |= {} if value is None else {name: value}
    headers = {name: value} if case.source == "header" else {}
    return sample.address(user_id, **path), {"params": query, "json": content, "headers": headers}


CASES = {case.title: case for case in cases()}


@pytest.fixture(scope="module")
def somebody(api: Api) -> str:
    user_id = api.user_id()
    eventually(lambda: api.admin.get("/v1/audit/checkpoint").status_code == 200, "the log to be sealed")
    return user_id


@pytest.mark.parametrize("title", CASES)
def test_a_refusal_names_what_it_is_about(api: Api, somebody: str, title: str) -> None:
    case = CASES[title]
    address, request = request_with(case, somebody)

    with nothing_recorded(api):
        answer = api.admin(case.sample.method, address, **request)

    assert answer.is_client_error, answer.text
    problem = answer.json()
    assert (problem.get("source"), problem.get("field")) == (case.source, case.name), problem


@pytest.mark.parametrize(
    ("path", "source", "field"),
    [
        ("/v1/statistics/users?country=XX", "query", "country"),
        ("/v1/statistics/purposes?country=XX", "query", "country"),
        ("/v1/statistics/consents?purpose=Ads", "query", "purpose"),
        ("/v1/statistics/consents", "query", "purpose"),
        ("/v1/statistics/consents?from=2026-01-01", "query", "purpose"),
        ("/v1/statistics/users?from=2020-01-01", "query", "from"),
        ("/v1/audit/proofs/inclusion", "query", "position"),
        ("/v1/audit/proofs/inclusion?size=1", "query", "position"),
        ("/v1/users?nothing=1", "query", None),
        ("/v1/users?limit=1&limit=1", "query", "limit"),
    ],
)
def test_a_parameter_is_said_to_be_in_the_query(api: Api, path: str, source: str, field: str | None) -> None:
    problem = api.admin.get(path).json()

    assert (problem["source"], problem.get("field")) == (source, field)


def test_what_a_precondition_or_a_key_forbids_is_said_of_its_header(api: Api) -> None:
    user = f"/v1/users/{api.user_id()}"
    key = {"Idempotency-Key": f"key-of-{user[-36:]}"}
    api.admin.patch(user, {"country": "NO"}, headers=key)
    refused = {
        "If-Match": api.admin.patch(user, {"country": "GB"}, headers={"If-Match": '"9"'}),
        "Idempotency-Key": api.admin.patch(user, {"country": "DK"}, headers=key),
        "Min-Log-Position": api.admin.get("/v1/users", headers={"Min-Log-Position": str(2**60)}),
    }

    for header, answer in refused.items():
        assert (answer.json()["source"], answer.json()["field"]) == ("header", header)


def test_a_reason_is_said_to_be_where_it_is(api: Api) -> None:
    suspension = f"/v1/users/{api.user_id()}/suspension"
    said: dict[tuple[str, str], dict[str, Any]] = {
        ("header", "Reprise-Reason"): {"headers": {"Reprise-Reason": "\u200b".encode()}},
        ("body", "reason"): {"json": {"reason": " "}},
    }

    for place, request in said.items():
        problem = api.admin("DELETE", suspension, **request).json()

        assert (problem["code"], problem["source"], problem["field"]) == ("reason_invalid", *place)
