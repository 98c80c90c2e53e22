"""Who may do what: every operation, every role, and what strangers can learn from being refused."""

import base64
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Controller, Litestar, Router, get

from api.http.admission import UndeclaredPermissionError, check_declarations
from api.http.permissions import ROLES, Permission, table_as_markdown
from api.openapi.document import operations
from application.actors import Role
from tests.support.api import Api, Caller, a_person, an_address, litestar_app, nothing_recorded, refusal
from tests.support.delegating import delegated
from tests.support.every_request import every_request

SOMEBODY = "0190c0de-0000-7000-8000-000000000001"
NOBODY = "0190c0de-0000-7000-8000-00000000dead"
STAFF = (Role.ADMIN, Role.SUPPORT, Role.AUDITOR, Role.SERVICE)
A, S, U, V = "admin", "support", "auditor", "service"

EXPECTED: dict[str, tuple[str, str, Any, set[str]]] = {
    "registerUser": ("POST", "/v1/users", None, {A, V}),
    "listUsers": ("GET", "/v1/users", None, {A, S, U, V}),
    "getUser": ("GET", "/v1/users/{id}", None, {A, S, U, V, "own"}),
    "changeProfile": ("PATCH", "/v1/users/{id}", {"country": "GB"}, {A, S, V, "own"}),
    "requestEmailChange": ("POST", "/v1/users/{id}/email-change", {"email": "x@y.example"}, {A, V, "own"}),
    "recordConsent": (
        "PUT",
        "/v1/users/{id}/consents/ads",
        {"granted": True, "documentVersion": "1"},
        {A, V, "own"},
    ),
    "suspendUser": ("POST", "/v1/users/{id}/suspension", {"reason": "Spam"}, {A, S}),
    "reinstateUser": ("DELETE", "/v1/users/{id}/suspension", {"reason": "Spam"}, {A, S}),
    "deactivateUser": ("POST", "/v1/users/{id}/deactivation", None, {A, V, "own"}),
    "reactivateUser": ("DELETE", "/v1/users/{id}/deactivation", None, {A, V, "own"}),
    "requestDeletion": ("POST", "/v1/users/{id}/deletion", None, {A, V, "own"}),
    "withdrawDeletion": ("DELETE", "/v1/users/{id}/deletion", None, {A, V, "own"}),
    "eraseUser": ("POST", "/v1/users/{id}/erasure", {"reason": "Case 1"}, {A}),
    "getErasure": ("GET", "/v1/users/{id}/erasure", None, {A, S, U}),
    "getTimeline": ("GET", "/v1/users/{id}/events", None, {A, S, U, "own"}),
    "requestExport": ("POST", "/v1/users/{id}/export", None, {A, V, "own"}),
    "getState": ("GET", "/v1/users/{id}/state?version=1", None, {A, S, U, "own"}),
    "getDiff": ("GET", "/v1/users/{id}/diff?from=0", None, {A, S, U, "own"}),
    "searchEvents": ("GET", "/v1/audit/events", None, {A, U}),
    "exportEvents": ("GET", "/v1/audit/events/export", None, {A, U}),
    "listAccesses": ("GET", "/v1/audit/accesses", None, {A, U}),
    "getCheckpoint": ("GET", "/v1/audit/checkpoint", None, {A, S, U, V}),
    "proveInclusion": ("GET", "/v1/audit/proofs/inclusion?position=1", None, {A, S, U, V}),
    "proveConsistency": ("GET", "/v1/audit/proofs/consistency?from=1", None, {A, S, U, V}),
    "countUsers": ("GET", "/v1/statistics/users", None, {A, U, V}),
    "countUsersByCountry": ("GET", "/v1/statistics/countries", None, {A, U, V}),
    "countConsents": ("GET", "/v1/statistics/consents?purpose=ads", None, {A, U, V}),
    "countConsentsByPurpose": ("GET", "/v1/statistics/purposes", None, {A, U, V}),
    "listProjections": ("GET", "/v1/projections", None, {A, U}),
    "requestRebuild": ("POST", "/v1/projections/none/rebuilds", None, {A}),
    "listLetters": ("GET", "/v1/projections/none/letters", None, {A, U}),
    "getLetter": ("GET", f"/v1/projections/none/letters/{NOBODY}", None, {A, U}),
    "retryLetter": ("POST", f"/v1/projections/none/letters/{NOBODY}/retries", None, {A}),
    "resolveLetter": ("POST", f"/v1/projections/none/letters/{NOBODY}/resolution", {"reason": "Known"}, {A}),
    "watchRebuild": ("GET", f"/v1/projections/none/rebuilds/{NOBODY}/progress", None, {A, U}),
    "getRebuild": ("GET", f"/v1/projections/none/rebuilds/{NOBODY}", None, {A, U}),
}
"""Each operation: a request for it, and who may make it."""

every_operation = pytest.mark.parametrize("operation", EXPECTED)
every_operation_on_a_user = pytest.mark.parametrize(
    "operation", [name for name, (_, path, _, _) in EXPECTED.items() if "{id}" in path]
)


def send(caller: Caller, operation: str, user_id: str = NOBODY) -> Any:
    method, path, content, _ = EXPECTED[operation]
    return caller(method, path.replace("{id}", user_id), json=content)


def test_every_operation_is_in_the_table(api: Api) -> None:
    described = api.with_token(None).get("/schema/openapi.json").json()
    guarded = {o["operationId"] for methods in described["paths"].values() for o in methods.values() if o["security"]}

    assert set(EXPECTED) == guarded


def test_what_is_open_to_everybody_is_listed_here(api: Api) -> None:
    described = api.with_token(None).get("/schema/openapi.json").json()
    public = {
        o["operationId"] for methods in described["paths"].values() for o in methods.values() if not o["security"]
    }

    assert public == {
        "checkHealth",
        "checkReadiness",
        "readMetrics",
        "confirmEmail",
        "listVerifierKeys",
        "downloadExport",
    }


@every_operation
@pytest.mark.parametrize("role", STAFF)
def test_staff_and_services_may_do_what_their_role_may_and_nothing_else(api: Api, operation: str, role: Role) -> None:
    with nothing_recorded(api):
        answer = send(api.as_(role), operation)

    if role in EXPECTED[operation][3]:
        assert answer.status_code not in {401, 403, 500}
    else:
        refusal(answer, 403, "permission_denied")


@every_operation_on_a_user
def test_people_may_do_to_their_own_account_what_people_may(api: Api, operation: str) -> None:
    user_id = api.user_id()
    answer = send(api.as_(Role.USER, user_id), operation, user_id)

    if "own" in EXPECTED[operation][3]:
        assert answer.is_success or answer.json()["code"] == "email_taken"
    else:
        refusal(answer, 403, "permission_denied")


@every_operation
def test_people_are_told_the_same_of_others_whether_there_are_such_or_not(api: Api, operation: str) -> None:
    me = api.as_(Role.USER, api.user_id())
    somebody, suspended = api.user_id(), api.user_id()
    api.admin.post(f"/v1/users/{suspended}/suspension", {"reason": "Spam"})

    with nothing_recorded(api):
        answers = [send(me, operation, user_id) for user_id in (somebody, suspended, NOBODY, "not-an-id", "17")]

    for answer in answers:
        refusal(answer, 403, "permission_denied")
    assert len({answer.content for answer in answers}) == 1
    assert len({str(sorted((k, v) for k, v in a.headers.items() if k != "date")) for a in answers}) == 1


HEADERS = {
    "Idempotency-Key": ["k"],
    "Reprise-Reason": ["Because", ""],
    "Correlation-Id": [NOBODY, "none"],
    "traceparent": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    "If-Match": ['"1"', '"999"', "*", "none"],
    "If-None-Match": ['"1"', '"999"', "*", "none"],
    "Min-Log-Position": ["1", "9223372036854775807", "none"],
    "Reprise-Purpose": ["CASE-1", "@"],
}
"""Every header that any operation reads, with values that are in order and values that are not."""
every_header = pytest.mark.parametrize(
    ("header", "value"), [(header, value) for header, values in HEADERS.items() for value in values]
)


def told(answer: httpx.Response) -> tuple[Any, ...]:
    """All that an answer says, but for what time it is and how long the log is."""
    head = {name: value for name, value in answer.headers.items() if name not in {"date", "log-position"}}
    return answer.status_code, tuple(sorted(head.items())), answer.content


def test_every_header_that_any_operation_reads_is_tried_on_all_of_them() -> None:
    assert {name for sample in every_request() for name in sample.header_names} == set(HEADERS)


@pytest.fixture(scope="module")
def strangers(api: Api) -> dict[str, str]:
    """The ids of others, each of another kind."""
    found = {"somebody": api.user_id(), "suspended": api.user_id(), "erased": api.user_id()}
    api.admin.post(f"/v1/users/{found['suspended']}/suspension", {"reason": "Spam"})
    api.admin.post(f"/v1/users/{found['erased']}/erasure", {"reason": "Case 1"})
    return {**found, "nobody": NOBODY, "no id": "17"}


@every_header
def test_no_header_has_people_told_anything_of_others(
    api: Api, strangers: dict[str, str], header: str, value: str
) -> None:
    me = api.as_(Role.USER, api.user_id())

    for operation, (method, path, content, _) in EXPECTED.items():
        answers = {
            told(me(method, path.replace("{id}", user_id), json=content, headers={header: value}))
            for user_id in strangers.values()
        }

        assert [answer[0] for answer in answers] == [403], operation


@every_header
def test_no_header_has_an_operation_that_is_open_to_everybody_tell_who_exists(
    api: Api, strangers: dict[str, str], header: str, value: str
) -> None:
    anybody = api.with_token(None)
    ids = [user_id for user_id in strangers.values() if user_id != "17"]

    answers = {
        told(anybody.post("/v1/email-verifications", {"token": made_up(user_id)}, headers={header: value}))
        for user_id in ids
    }
    links = {
        told(anybody.get(f"/v1/users/{user_id}/export?token={made_up(user_id)}", headers={header: value}))
        for user_id in ids
    }

    assert len(answers) == len(links) == 1
    assert {status for status, *_ in answers} <= {400, 422}
    assert {status for status, *_ in links} <= {400, 404}


def made_up(user_id: str) -> str:
    """What a token for this user looks like, without what makes it good."""
    octets = uuid.UUID(user_id).bytes + (1).to_bytes(4) + bytes(24)
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


@pytest.mark.parametrize("path", ["/v1/email-verifications", "/v1/users"])
def test_a_precondition_on_what_has_no_version_is_refused(api: Api, path: str) -> None:
    content = a_person() if path == "/v1/users" else {"token": "x"}

    with nothing_recorded(api):
        problem = refusal(api.admin.post(path, content, headers={"If-Match": '"1"'}), 400, "parameter_invalid")

    assert (problem["field"], problem["source"]) == ("If-Match", "header")


ACTING: list[dict[str, str]] = [
    {"sub": "bob"},
    *({"sub": "bob", "role": role.value} for role in Role if role is not Role.SYSTEM),
]


@pytest.mark.parametrize("act", ACTING, ids=lambda act: act.get("role", "none"))
@pytest.mark.parametrize("role", STAFF)
def test_whoever_acts_for_somebody_may_do_what_that_one_may_and_nothing_else(
    api: Api, strangers: dict[str, str], role: Role, act: dict[str, str]
) -> None:
    caller = delegated(api, role, "carol", act)

    with nothing_recorded(api):
        for operation, (*_, roles) in EXPECTED.items():
            for target in ("nobody", "erased"):
                answer = send(caller, operation, strangers[target])
                if role in roles:
                    assert answer.status_code not in {401, 403, 500}, operation
                else:
                    refusal(answer, 403, "permission_denied")


@pytest.mark.parametrize("act", ACTING, ids=lambda act: act.get("role", "none"))
def test_whoever_acts_for_a_person_may_touch_that_persons_account_only(
    api: Api, strangers: dict[str, str], act: dict[str, str]
) -> None:
    user_id = api.user_id()
    caller = delegated(api, Role.USER, user_id, act)

    for operation, (_, path, _, roles) in EXPECTED.items():
        if "{id}" in path:
            answer = send(caller, operation, user_id)
            assert ("own" in roles) == (answer.status_code != 403), operation
            assert answer.status_code not in {401, 500}
        for stranger in strangers.values():
            refusal(send(caller, operation, stranger), 403, "permission_denied")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "POST", "PROPFIND", "TRACE", "get"])
def test_no_other_method_does_what_its_sender_may_not(api: Api, strangers: dict[str, str], method: str) -> None:
    me = api.as_(Role.USER, api.user_id())

    with nothing_recorded(api):
        for _, path, content, _ in EXPECTED.values():
            answer = me(method, path.replace("{id}", strangers["somebody"]), json=content)

            assert answer.status_code in {400, 403, 404, 405, 501}, path
            assert strangers["somebody"] not in answer.text


@every_operation_on_a_user
def test_another_spelling_of_ones_own_id_is_ones_own_and_nobody_elses(api: Api, operation: str) -> None:
    user_id = api.user_id()
    me = api.as_(Role.USER, user_id.upper())

    allowed = "own" in EXPECTED[operation][3]
    assert (send(me, operation, user_id.upper()).status_code == 403) is not allowed
    for spelling in (user_id.replace("-", ""), f"{{{user_id}}}", f"urn:uuid:{user_id}", f"{user_id} ", f"%20{user_id}"):
        refusal(send(me, operation, spelling), 403, "permission_denied")


@every_operation
@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Bearer", "token_missing"),
        ("Basic YWxpY2U6c2VjcmV0", "token_missing"),
        ("Bearer e30.e30.e30", "token_invalid"),
        ("Bearer \u00e9\u00e9".encode("latin-1"), "token_invalid"),
    ],
)
def test_without_a_token_that_is_believed_nobody_may_do_anything(
    api: Api, operation: str, authorization: str | bytes | None, code: str
) -> None:
    method, path, content, _ = EXPECTED[operation]
    headers = {} if authorization is None else {"Authorization": authorization}

    with nothing_recorded(api):
        answer = api.with_token(None)(method, path.replace("{id}", SOMEBODY), json=content, headers=headers)

    refusal(answer, 401, code)
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert ('error="invalid_token"' in challenge) == (code == "token_invalid")


@pytest.mark.parametrize(
    "spoil",
    [lambda token: token[:-4], lambda token: f"{token}xxxx", lambda token: f"{token}.x"],
    ids=["truncated", "prolonged", "one part more"],
)
def test_a_token_that_was_tampered_with_is_not_believed(api: Api, spoil: Callable[[str], str]) -> None:
    token = api.admin.token or ""

    assert api.with_token(token).get("/v1/users").status_code == 200
    refusal(api.with_token(spoil(token)).get("/v1/users"), 401, "token_invalid")


def test_nobody_becomes_somebody_else_by_naming_them_anywhere(api: Api) -> None:
    user_id, other = api.user_id(), api.user_id()
    me = api.as_(Role.USER, user_id)
    named = {"userId": other, "user_id": other, "id": other, "sub": other, "role": "admin"}

    with nothing_recorded(api):
        for name, value in named.items():
            refusal(me.patch(f"/v1/users/{user_id}", {name: value, "country": "GB"}), 400, "content_invalid")
            refusal(me.patch(f"/v1/users/{user_id}?{name}={value}", {"country": "GB"}), 400, "parameter_unknown")
            refusal(me.get(f"/v1/users/{other}", headers={name: value, "X-User-Id": user_id}), 403, "permission_denied")


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL"])
def test_headers_do_not_turn_a_request_into_another_one(api: Api, header: str) -> None:
    user_id = api.user_id()
    me = api.as_(Role.USER, user_id)

    with nothing_recorded(api):
        for value in ("DELETE", f"/v1/users/{NOBODY}"):
            assert me.get(f"/v1/users/{user_id}", headers={header: value}).status_code == 200


@pytest.mark.parametrize(
    "field", ["emailVerified", "status", "version", "createdAt", "consents", "eraseAfter", "externalId", "email", "id"]
)
def test_nobody_sets_what_the_service_decides(api: Api, field: str) -> None:
    user_id = api.user_id()

    with nothing_recorded(api):
        for caller in (api.as_(Role.USER, user_id), api.admin):
            problem = refusal(caller.patch(f"/v1/users/{user_id}", {field: True}), 400, "content_invalid")
            assert problem["field"] == field


def test_a_person_cannot_be_registered_with_what_the_service_decides(api: Api) -> None:
    with nothing_recorded(api):
        for field in ("emailVerified", "status", "id", "version", "confirmBy", "consents"):
            refusal(api.admin.post("/v1/users", a_person() | {field: True}), 400, "content_invalid")


def test_a_person_does_not_even_learn_that_an_address_is_taken(api: Api) -> None:
    email = an_address()
    api.register(email)
    user_id = api.user_id()

    answer = api.as_(Role.USER, user_id).post(f"/v1/users/{user_id}/email-change", {"email": email})

    assert answer.status_code == 200


async def test_a_route_that_declares_no_permission_is_refused_at_start_up() -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    class Half(Controller):
        path = "/half"

        @get(permission=Permission.USERS_READ)
        async def guarded(self) -> None: ...

        @get("/open", permission="users.read")
        async def misspelt(self) -> None: ...

    for handler in (forgotten, Half, Router("/v1", route_handlers=[forgotten])):
        with pytest.raises(UndeclaredPermissionError, match="GET"):
            check_declarations(Litestar([handler], openapi_config=None).routes)


def test_every_permission_is_in_the_table_of_roles_and_asked_for_by_a_route() -> None:
    routes = litestar_app().routes

    assert set(ROLES) == set(Permission)
    assert {operation.handler.opt.get("permission") for operation in operations(routes)} - {None} == set(Permission)


def test_the_platforms_own_role_has_no_permission_from_outside() -> None:
    assert all(Role.SYSTEM not in roles for roles in ROLES.values())


def test_the_guide_shows_the_table_as_it_is() -> None:
    assert table_as_markdown() in Path("docs/api.md").read_text(encoding="utf-8")
