"""Headers that come more than once, and headers that are looked at before anything is done."""

import httpx
import pytest

from api.http.commands import trace_id
from tests.support.api import Api, Caller, nothing_recorded, refusal


@pytest.mark.parametrize(
    ("header", "value", "other"),
    [
        ("Authorization", "Bearer x", "Bearer x"),
        ("Idempotency-Key", "one", "two"),
        ("Min-Log-Position", "1", "1"),
        ("Reprise-Purpose", "CASE-1", "CASE-2"),
        ("Reprise-Reason", "One", "Another"),
        ("Correlation-Id", "0190c0de-0000-7000-8000-000000000001", "0190c0de-0000-7000-8000-000000000002"),
        ("Content-Type", "application/json", "application/json"),
        ("Min-Log-Position", "", "1"),
    ],
)
def test_a_header_that_is_no_list_comes_once(api: Api, admin: Caller, header: str, value: str, other: str) -> None:
    user = f"/v1/users/{api.user_id()}"
    before = [] if header == "Authorization" else [("Authorization", f"Bearer {admin.token}")]
    content = [] if header == "Content-Type" else [("Content-Type", "application/json")]

    with nothing_recorded(api), httpx.Client(base_url=api.url) as http:
        headers = [*before, *content, (header, value), (header, other)]
        problem = refusal(http.patch(user, content=b'{"country":"NO"}', headers=headers), 400, "parameter_invalid")

    assert (problem["field"].lower(), problem["source"]) == (header.lower(), "header")


def test_a_list_may_come_in_several_headers(api: Api, admin: Caller) -> None:
    registered = api.register()
    user, tag = registered.headers["location"], registered.headers["etag"]
    token = ("Authorization", f"Bearer {admin.token}")

    with httpx.Client(base_url=api.url) as http:
        known = http.get(user, headers=[token, ("If-None-Match", '"99"'), ("If-None-Match", tag)])
        accepted = http.get(user, headers=[token, ("Accept", "application/json"), ("Accept", "text/html")])
        problem = refusal(
            http.patch(user, json={"country": "NO"}, headers=[token, ("If-Match", '"99"'), ("If-Match", tag)]),
            400,
            "parameter_invalid",
        )

    assert (known.status_code, accepted.status_code, problem["field"]) == (304, 200, "If-Match")


def test_a_list_of_codings_may_come_in_several_headers_too(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"
    headers = [("Authorization", f"Bearer {admin.token}"), ("Content-Encoding", "identity")]

    with httpx.Client(base_url=api.url) as http:
        taken = http.patch(user, json={"country": "NO"}, headers=[*headers, ("Content-Encoding", "identity")])
        problem = refusal(
            http.patch(user, json={"country": "DK"}, headers=[*headers, ("Content-Encoding", "gzip")]),
            415,
            "content_type_unsupported",
        )

    assert (taken.status_code, problem["field"]) == (200, "Content-Encoding")


def test_a_trace_that_is_named_twice_does_not_count() -> None:
    trace = (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

    assert trace_id({"headers": [trace]}) == bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")
    assert trace_id({"headers": [trace, (b"accept", b"*/*"), trace]}) is None


def test_a_purpose_without_its_form_is_refused_before_anything_is_done(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    with nothing_recorded(api):
        refusal(admin.post(f"{user}/export", headers={"Reprise-Purpose": "@"}), 422, "access_purpose_invalid")
