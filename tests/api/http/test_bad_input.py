"""Whatever a client sends that is wrong gets a clear answer and changes nothing."""

from typing import Any

import pytest

from api.http.requests import BODY_LIMIT
from application.actors import Role
from tests.support.api import Api, Caller, a_person, nothing_recorded, refusal

SECRET = "zq7-personal-value"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _nothing_changes(api: Api) -> Any:
    with nothing_recorded(api):
        yield


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"{'email': 1}",
        b'{"email": "a@example.com",}',
        b"\xff\xfe{}",
        b'{"email": "\xff"}',
        b'{"email": "\\ud800"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"NaN",
        b'{} {"second": 1}',
    ],
)
def test_content_that_is_not_json(admin: Caller, content: bytes) -> None:
    answer = admin("POST", "/v1/users", content=content, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["code"] in {"content_malformed", "content_invalid"}
    refusal(answer, 400, answer.json()["code"])


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"17", b"true"])
def test_content_that_is_not_an_object(admin: Caller, content: bytes) -> None:
    refusal(admin("POST", "/v1/users", content=content, headers=JSON), 400, "content_invalid")


def test_no_content_where_some_is_needed(admin: Caller) -> None:
    refusal(admin("POST", "/v1/users", headers=JSON), 400, "content_missing")


def test_content_where_none_is_taken(api: Api, admin: Caller) -> None:
    problem = admin.post("/v1/users/0190c0de-0000-7000-8000-000000000000/deactivation", {"userId": SECRET})

    refusal(problem, 400, "content_unexpected")


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"plan": "premium"}, "plan", "This field is unknown."),
        ({"emailVerified": True}, "emailVerified", "This field is unknown."),
        ({"display_name": "Ada"}, "display_name", "This field is unknown."),
        ({"displayName": 17}, "displayName", "Expected `str`, got `int`."),
        ({"displayName": None}, "displayName", "Expected `str`, got `null`."),
        ({"explicitContentFilter": "true"}, "explicitContentFilter", "Expected `bool`, got `str`."),
        ({"explicitContentFilter": 1}, "explicitContentFilter", "Expected `bool`, got `int`."),
        ({"birthDate": "1990-13-01"}, "birthDate", None),
        ({"birthDate": 1990}, "birthDate", None),
        ({"email": [SECRET]}, "email", "Expected `str`, got `array`."),
    ],
)
def test_a_field_that_is_unknown_or_of_the_wrong_type_is_named(
    admin: Caller, change: dict[str, Any], field: str, detail: str | None
) -> None:
    problem = refusal(admin.post("/v1/users", a_person() | change), 400, "content_invalid")

    assert (problem["field"], problem["source"]) == (field, "body")
    assert detail is None or problem["detail"] == detail


def test_a_field_that_is_missing_is_named(admin: Caller) -> None:
    problem = refusal(admin.post("/v1/users", {"displayName": "Ada", "country": "SE"}), 400, "content_invalid")

    assert (problem["field"], problem["detail"]) == ("email", "This field is required.")


def test_content_of_two_megabytes(admin: Caller) -> None:
    refusal(admin.post("/v1/users", a_person(displayName="x" * 2_000_000)), 413, "content_too_large")


def test_content_of_two_megabytes_without_a_length(admin: Caller) -> None:
    chunks = (b"x" * 65_536 for _ in range(32))

    refusal(admin("POST", "/v1/users", content=chunks, headers=JSON), 413, "content_too_large")


def test_content_of_exactly_the_limit_is_read(admin: Caller) -> None:
    content = b'{"email":"' + b"x" * (BODY_LIMIT - 12) + b'"}'

    refusal(admin("POST", "/v1/users", content=content, headers=JSON), 400, "content_invalid")


@pytest.mark.parametrize("user_id", ["17", "not-a-uuid", "%00", "'; DROP TABLE log.event; --", "a" * 3000])
def test_an_id_that_is_none(admin: Caller, user_id: str) -> None:
    problem = refusal(admin.get(f"/v1/users/{user_id}/state?version=1"), 400, "parameter_invalid")

    assert (problem["field"], problem["source"]) == ("userId", "path")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=10000", "limit"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("q=a", "q"),
        ("q=%CE%B1", "q"),
        ("q=%EF%BB%BF", "q"),
        ("q=J%F6rg", "q"),
        ("country=%FF", "country"),
        ("email=ann+x@example.com", "email"),
        ("email=nobody", "email"),
        ("email=ada@printer.local", "email"),
        ("q=" + "a" * 101, "q"),
        ("q=a%00b", "q"),
        ("email=ada%0a@example.com", "email"),
        ("country=se", "country"),
        ("country=SWE", "country"),
        ("status=happy", "status"),
        ("status=null", "status"),
        ("limit=null", "limit"),
        ("limit=%201", "limit"),
        ("limit=%2B1", "limit"),
        ("limit=true", "limit"),
        ("createdAfter=yesterday", "createdAfter"),
        ("createdAfter=2026-01-01T00:00:00", "createdAfter"),
        ("createdAfter=1767225600", "createdAfter"),
    ],
)
def test_a_parameter_without_its_form_is_named(admin: Caller, query: str, field: str) -> None:
    problem = refusal(admin.get(f"/v1/users?{query}"), 400, "parameter_invalid")

    assert (problem["field"], problem["source"]) == (field, "query")


@pytest.mark.parametrize("query", ["contry=SE", "user_id=1", "created_after=2026-01-01T00:00:00Z", "%00=1", "offset=5"])
def test_a_parameter_nobody_reads(admin: Caller, query: str) -> None:
    refusal(admin.get(f"/v1/users?{query}"), 400, "parameter_unknown")


def test_a_parameter_of_a_command(admin: Caller) -> None:
    refusal(admin.post("/v1/users?country=SE", a_person()), 400, "parameter_unknown")


@pytest.mark.parametrize("cursor", ["forged", "AAAA", "%20", "=", "A" * 512, "ÅÄÖ", "MTIzNDU2Nzg5MDEyMzQ1Njc4"])
@pytest.mark.parametrize("path", ["/v1/users", "/v1/audit/events"])
def test_a_cursor_that_was_forged(admin: Caller, path: str, cursor: str) -> None:
    refusal(admin.get(f"{path}?cursor={cursor}"), 400, "cursor_invalid")


@pytest.mark.parametrize("cursor", ["A" * 513, "%00"])
def test_a_cursor_that_cannot_be_one(admin: Caller, cursor: str) -> None:
    refusal(admin.get(f"/v1/users?cursor={cursor}"), 400, "parameter_invalid")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "version=1&position=1",
        "version=0",
        "version=-1",
        "version=2147483648",
        "position=9223372036854775808",
        "position=1.5",
        "at=2026-01-01",
        "at=noon",
    ],
)
def test_a_moment_that_is_none(admin: Caller, query: str) -> None:
    answer = admin.get(f"/v1/users/0190c0de-0000-7000-8000-000000000000/state?{query}")

    refusal(answer, 400, "parameter_invalid")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Min-Log-Position", "-1"),
        ("Min-Log-Position", "soon"),
        ("Min-Log-Position", "9223372036854775808"),
        ("Min-Log-Position", "1" * 200),
        ("If-None-Match", "1"),
    ],
)
def test_a_header_of_a_query_without_its_form(api: Api, admin: Caller, header: str, value: str) -> None:
    answer = admin.get("/v1/users/0190c0de-0000-7000-8000-000000000000", headers={header: value})

    assert answer.status_code in {400, 404}
    if header == "Min-Log-Position":
        problem = refusal(admin.get("/v1/users", headers={header: value}), 400, "parameter_invalid")
        assert (problem["field"], problem["source"]) == (header, "header")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "two words"),
        ("Idempotency-Key", "k" * 256),
        ("Idempotency-Key", "schlüssel".encode()),
        ("Correlation-Id", "17"),
        ("Correlation-Id", ""),
        ("Reprise-Reason", b"\xff\xfe"),
    ],
)
def test_a_header_of_a_command_without_its_form(admin: Caller, header: str, value: str | bytes) -> None:
    problem = refusal(admin.post("/v1/users", a_person(), headers={header: value}), 400, "parameter_invalid")

    assert (problem["field"], problem["source"]) == (header, "header")


@pytest.mark.parametrize("value", ["", "x" * 501])
def test_a_stated_reason_that_says_nothing_or_too_much(admin: Caller, value: str) -> None:
    refusal(admin.post("/v1/users", a_person(), headers={"Reprise-Reason": value}), 422, "reason_invalid")


@pytest.mark.parametrize("path", ["/v1", "/v2/users", "/v1/user", "/v1/users/x/y/z", "/schema", "/.env", "/v1/%00"])
def test_an_address_where_nothing_is(admin: Caller, path: str) -> None:
    refusal(admin.get(path), 404, "resource_not_found")


@pytest.mark.parametrize("path", ["/v1/users/", "/v1//users", "//v1/users", "/v1/users%2F"])
def test_an_address_that_is_only_close(admin: Caller, path: str) -> None:
    refusal(
        admin("GET", f"http://{admin.get('/healthz').request.url.netloc.decode()}{path}"), 404, "resource_not_found"
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", "/v1/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("TRACE", "/v1/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("PROPFIND", "/v1/users", {"GET", "HEAD", "POST", "OPTIONS"}),
    ],
)
def test_a_method_the_resource_does_not_have(admin: Caller, method: str, path: str, allowed: set[str]) -> None:
    answer = admin(method, path)

    refusal(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_the_methods_a_resource_has_are_told(admin: Caller) -> None:
    for path, methods in {
        "/v1/users": {"GET", "HEAD", "POST", "OPTIONS"},
        "/v1/users/x": {"GET", "HEAD", "PATCH", "OPTIONS"},
        "/v1/users/x/suspension": {"POST", "DELETE", "OPTIONS"},
    }.items():
        answer = admin("OPTIONS", path)
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (204, methods)


@pytest.mark.parametrize("accepted", ["text/html", "application/xml;q=0.9", "application/json;q=0", "image/*, text/*"])
def test_another_form_of_answer(admin: Caller, accepted: str) -> None:
    refusal(admin.get("/v1/users", headers={"Accept": accepted}), 406, "not_acceptable")


@pytest.mark.parametrize(
    "accepted", ["*/*", "application/*", "text/html, application/json;q=0.1", "", "a/b, */*;q=0.5"]
)
def test_an_answer_that_may_be_json(admin: Caller, accepted: str) -> None:
    assert admin.get("/v1/users", headers={"Accept": accepted}).status_code == 200


def test_nothing_that_was_sent_comes_back_in_a_refusal(api: Api) -> None:
    support = api.as_(Role.ADMIN, SECRET)
    answers = [
        support.post("/v1/users", a_person(displayName=[SECRET])),
        support.post("/v1/users", a_person(email=f"{SECRET} {SECRET}")),
        support.post("/v1/users", a_person(birthDate=SECRET)),
        support.post("/v1/users", a_person(country=SECRET)),
        support.get(f"/v1/users?status={SECRET}"),
        support.get(f"/v1/users?limit={SECRET}"),
        support.get(f"/v1/users?{SECRET}=1"),
        support.get(f"/v1/users/{SECRET}"),
        support.get(f"/{SECRET}"),
        support.get("/v1/users", headers={"Min-Log-Position": SECRET}),
        support.get("/v1/users", headers={"Authorization": f"Bearer {SECRET}"}),
        support.post(f"/v1/projections/{SECRET}/rebuilds"),
    ]

    for answer in answers:
        assert answer.is_client_error
        assert SECRET not in answer.text
        assert SECRET not in str(answer.headers)
