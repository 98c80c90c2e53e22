"""Whoever reads other people's data over HTTP goes on record, with what for; people themselves and services do not."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.openapi.document import operations
from application.actors import Role
from tests.support.api import Api, Caller, litestar_app, refusal
from tests.support.delegating import delegated
from tests.support.waiting import eventually

PURPOSE = {"Reprise-Purpose": "TICKET-4711"}
LOOKS: dict[str, str] = {
    "getUser": "/v1/users/{id}",
    "listUsers": "/v1/users?email={email}",
    "getTimeline": "/v1/users/{id}/events",
    "getState": "/v1/users/{id}/state?version=1",
    "getDiff": "/v1/users/{id}/diff?from=0",
    "searchEvents": "/v1/audit/events?user={id}",
    "exportEvents": "/v1/audit/events/export?user={id}",
}
"""Each operation that answers with personal data."""
KINDS = dict(zip(LOOKS, ["profile", "list", "timeline", "state", "diff", "search", "export"], strict=True))


@pytest.fixture
def person(api: Api) -> dict[str, str]:
    """Somebody at whom nobody has looked yet, and the position at which every read model knows them."""
    email = f"{uuid.uuid4().hex}@example.com"
    registered = api.register(email)
    return {"id": registered.json()["userId"], "email": email, "position": registered.headers["log-position"]}


def look(caller: Caller, operation: str, person: dict[str, str], **headers: str) -> httpx.Response:
    position = {"Min-Log-Position": person["position"]}
    answer = caller.get(LOOKS[operation].format(**person), headers=position | headers)
    assert answer.status_code == 200, answer.text
    return answer


def accesses(api: Api, person: dict[str, str], found: Callable[[list[Any]], bool] = bool) -> list[dict[str, Any]]:
    """What is on record about looks at somebody, as soon as it is what is expected."""
    auditor, head = api.as_(Role.AUDITOR, "eve"), api.head()

    def items() -> list[dict[str, Any]]:
        answer = auditor.get(f"/v1/audit/accesses?user={person['id']}", headers={"Min-Log-Position": str(head)})
        told: list[dict[str, Any]] = answer.json()["items"]
        return told

    eventually(lambda: found(items()), "access records")
    return items()


def test_every_operation_that_reads_about_people_declares_it() -> None:
    about_people = ("/v1/users", "/v1/audit/events")
    reading = {
        operation.handler.handler_name
        for operation in operations(litestar_app().routes)
        if operation.method == "GET" and operation.is_guarded and operation.path.startswith(about_people)
    }
    all_operations = list(operations(litestar_app().routes))
    declared = {o.handler.handler_name for o in all_operations if o.reads_people and o.method == "GET"}

    # A receipt tells that somebody was erased, and nothing personal.
    assert reading - {"count_users", "get_erasure"} == declared
    assert {"".join(word.capitalize() for word in f"x_{name}".split("_"))[1:] for name in declared} == {
        name[0].upper() + name[1:] for name in LOOKS
    }


@pytest.mark.parametrize(
    "act", [{"sub": "console"}, {"sub": "console", "role": "service"}, {"sub": "dave", "role": "support"}]
)
@pytest.mark.parametrize("role", [Role.SUPPORT, Role.SERVICE, Role.USER])
def test_whoever_acts_for_somebody_else_goes_on_record(api: Api, role: Role, act: dict[str, str]) -> None:
    registered = api.register()
    user_id = registered.json()["userId"]
    subject = user_id if role is Role.USER else "carol"

    read = delegated(api, role, subject, act).get(f"/v1/users/{user_id}")

    assert read.status_code == 200
    head = {"Min-Log-Position": str(api.head())}
    (record,) = api.as_(Role.AUDITOR).get(f"/v1/audit/accesses?user={user_id}", headers=head).json()["items"]
    assert (record["actor"], record["onBehalfOf"]) == (f"{act.get('role', 'service')}:{act['sub']}", subject)


@pytest.mark.parametrize("operation", LOOKS)
def test_who_reads_goes_on_record_with_what_for(api: Api, person: dict[str, str], operation: str) -> None:
    look(api.as_(Role.ADMIN, "dave", "console"), operation, person, **PURPOSE)

    (record,) = accesses(api, person)

    assert (record["actor"], record["client"], record["purpose"]) == ("admin:dave", "console", "TICKET-4711")
    assert (record["reading"], record["userIds"], record["lost"]) == (KINDS[operation], [person["id"]], 0)
    assert record["firstAt"] <= record["recordedAt"]
    assert (record["query"] is None) == (operation != "exportEvents")


def test_a_purpose_is_not_asked_for(api: Api, person: dict[str, str]) -> None:
    look(api.as_(Role.SUPPORT, "carol"), "getUser", person)

    (record,) = accesses(api, person)

    assert (record["actor"], record["purpose"]) == ("support:carol", None)


def test_people_who_read_their_own_data_and_services_are_not_recorded(api: Api, person: dict[str, str]) -> None:
    me, service = api.as_(Role.USER, person["id"]), api.as_(Role.SERVICE, "player")
    for operation in ("getUser", "getTimeline", "getState", "getDiff"):
        look(me, operation, person)
    look(service, "getUser", person)
    look(service, "listUsers", person)
    look(api.as_(Role.SUPPORT, "carol"), "getUser", person)

    (record,) = accesses(api, person)

    assert record["actor"] == "support:carol"


def test_what_was_not_answered_was_not_read(api: Api, person: dict[str, str]) -> None:
    carol = api.as_(Role.SUPPORT, "carol")
    carol.get(f"/v1/users/{person['id']}", headers={"If-None-Match": '"1"'})
    carol.get(f"/v1/users/{person['id']}", headers={"If-None-Match": "nonsense"})
    carol.get(f"/v1/users/{person['id']}/state?version=99")
    look(carol, "getDiff", person)

    (record,) = accesses(api, person)

    assert record["reading"] == "diff"


@pytest.mark.parametrize("purpose", ["", "-", "ann@example.com", "x" * 101, "two\tlines", "Ärende", "(Ann)"])
@pytest.mark.parametrize("operation", ["getUser", "listUsers", "exportEvents"])
def test_a_purpose_that_is_none_is_refused_and_nothing_is_told(
    api: Api, person: dict[str, str], operation: str, purpose: str
) -> None:
    headers = {"Reprise-Purpose": purpose.encode(), "Min-Log-Position": person["position"].encode()}

    answer = api.admin.get(LOOKS[operation].format(**person), headers=headers)

    refusal(answer, 422, "access_purpose_invalid")
    assert person["email"] not in answer.text


def test_a_list_names_everybody_on_the_page(api: Api) -> None:
    name = f"Zz{uuid.uuid4().hex[:12]}"
    registered = [api.register(displayName=name) for _ in range(3)]
    ids = [answer.json()["userId"] for answer in registered]
    headers = {"Min-Log-Position": registered[-1].headers["log-position"]}
    api.as_(Role.SUPPORT, "carol").get(f"/v1/users?q={name}&limit=2", headers=headers)

    (record,) = accesses(api, {"id": ids[0]})

    assert record["userIds"] == ids[:2]
    assert accesses(api, {"id": ids[2]}, found=lambda items: items == []) == []


def test_accesses_are_found_by_reader_and_kind_in_pages_and_looking_at_them_is_not_an_access(
    api: Api, person: dict[str, str]
) -> None:
    reader = f"auditor-{uuid.uuid4().hex[:8]}"
    caller = api.as_(Role.AUDITOR, reader)
    for operation in ("getUser", "getTimeline", "getState"):
        look(caller, operation, person)
    accesses(api, person, found=lambda items: len(items) == 3)
    query = f"/v1/audit/accesses?actor=auditor:{reader}"

    first = caller.get(f"{query}&limit=2").json()
    rest = caller.get(f"{query}&limit=2&cursor={first['nextCursor']}").json()
    states = caller.get(f"{query}&reading=state").json()

    kinds = {item["reading"] for page in (first, rest) for item in page["items"]}
    assert (kinds, len(first["items"]), len(rest["items"])) == ({"profile", "timeline", "state"}, 2, 1)
    assert [item["reading"] for item in states["items"]] == ["state"]
    assert {item["actor"] for item in accesses(api, person)} == {f"auditor:{reader}"}
    refusal(caller.get(f"{query}&cursor={first['nextCursor']}x"), 400, "cursor_invalid")
    refusal(caller.get(f"{query}&reading=mind"), 400, "parameter_invalid")


def test_the_timeline_of_a_person_and_their_version_know_nothing_of_looks(api: Api, person: dict[str, str]) -> None:
    carol = api.as_(Role.SUPPORT, "carol")
    look(carol, "getUser", person)
    accesses(api, person)

    timeline = carol.get(f"/v1/users/{person['id']}/events", headers={"Min-Log-Position": str(api.head())}).json()

    assert {item["topic"] for item in timeline["items"]} == {"user.registered", "email_claim.claimed"}
    assert carol.get(f"/v1/users/{person['id']}").headers["etag"] == '"1"'
