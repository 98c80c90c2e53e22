"""What people are told of their account: what was done, when, in which role and why, and never by whom of the staff."""

import io
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import httpx
import msgspec
import pytest

from api.history.person_views import PersonChangeView, PersonFactView, role_of
from api.http.admission import PERMISSION
from api.http.permissions import ROLES
from api.openapi.document import Operation, operations
from application.actors import Role
from tests.support.api import Api, Caller, litestar_app
from tests.support.delegating import delegated
from tests.support.waiting import eventually

TELLTALE = "zq7"
STAFF = {
    Role.ADMIN: (f"{TELLTALE}-ann", f"{TELLTALE}-backoffice"),
    Role.SUPPORT: (f"{TELLTALE}-carol", f"{TELLTALE}-console"),
    Role.AUDITOR: (f"{TELLTALE}-eve", f"{TELLTALE}-archive"),
    Role.SERVICE: (f"{TELLTALE}-crm", f"{TELLTALE}-importer"),
}
"""Names and clients that nobody else has."""
REASON = "Reported for spam by 14 people."
WORDS = {"Reprise-Reason": "You asked for it on the phone."}
CONSENT = {"granted": True, "documentVersion": "2026-01"}

# In this order: what ends an account comes last.
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "getUser": ("GET", "", None),
    "getState": ("GET", "/state?version=9", None),
    "getTimeline": ("GET", "/events?limit=200", None),
    "getDiff": ("GET", "/diff?from=0", None),
    "changeProfile": ("PATCH", "", {"country": "NO"}),
    "recordConsent": ("PUT", "/consents/ads", CONSENT),
    "requestEmailChange": ("POST", "/email-change", {"email": "zoe-at-another@example.com"}),
    "deactivateUser": ("POST", "/deactivation", None),
    "reactivateUser": ("DELETE", "/deactivation", None),
    "requestDeletion": ("POST", "/deletion", None),
    "withdrawDeletion": ("DELETE", "/deletion", None),
    "requestExport": ("POST", "/export", None),
}
"""Everything that people may do to their own account."""


def acting(api: Api, role: Role, subject: str, acting_role: Role) -> Caller:
    """A member of staff, or a service, that acts on behalf of somebody."""
    name, client = STAFF[acting_role]
    return delegated(api, role, subject, {"sub": name, "role": acting_role.value}, client)


@pytest.fixture(scope="module")
def handled(api: Api) -> str:
    """Somebody whose account has been through the hands of all sorts of staff, services and delegates."""
    support, admin, service, auditor = (
        api.as_(role, *STAFF[role]) for role in (Role.SUPPORT, Role.ADMIN, Role.SERVICE, Role.AUDITOR)
    )
    person = {"email": "zoe@handled.example", "displayName": "Zoe", "country": "SE"}
    user_id: str = service.post("/v1/users", person).json()["userId"]
    user = f"/v1/users/{user_id}"
    done = [
        support.patch(user, {"displayName": "Zoë"}, headers=WORDS),
        service.put(f"{user}/consents/news", CONSENT),
        service.post(f"{user}/email-change", {"email": "zoe-elsewhere@handled.example"}),
        support.post(f"{user}/suspension", {"reason": REASON}),
        admin.delete(f"{user}/suspension", json={"reason": "Appeal upheld."}),
        admin.post(f"{user}/deletion"),
        admin.delete(f"{user}/deletion"),
        admin.post(f"{user}/export"),
        acting(api, Role.USER, user_id, Role.SUPPORT).patch(user, {"country": "DK"}, headers=WORDS),
        acting(api, Role.USER, user_id, Role.SERVICE).patch(user, {"country": "FI"}),
        acting(api, Role.ADMIN, STAFF[Role.ADMIN][0], Role.SERVICE).patch(user, {"locale": "sv-SE"}),
        acting(api, Role.SUPPORT, STAFF[Role.SUPPORT][0], Role.AUDITOR).get(user),
        auditor.get(f"{user}/events", headers={"Reprise-Purpose": "TICKET-7"}),
        support.get(user),
    ]
    assert [answer.status_code for answer in done if not answer.is_success] == []
    head = {"Min-Log-Position": str(api.head())}
    assert api.admin.get(f"{user}/events", headers=head).is_success
    eventually(lambda: len(api.admin.get(f"/v1/audit/accesses?user={user_id}").json()["items"]) >= 3, "access records")
    return user_id


def own_operations() -> list[Operation]:
    found = operations(litestar_app().routes)
    return [o for o in found if PERMISSION in o.handler.opt and Role.USER in ROLES[o.handler.opt[PERMISSION]]]


def octets(answer: httpx.Response) -> bytes:
    """All that an answer consists of; of a ZIP file what is in it."""
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode()
    if not answer.content.startswith(b"PK"):
        return head + answer.content
    with ZipFile(io.BytesIO(answer.content)) as package:
        return head + b"".join(name.encode() + package.read(name) for name in package.namelist())


def test_everything_that_people_may_do_is_asked_for_here() -> None:
    named = {operation.handler.handler_name: operation for operation in own_operations()}
    camel = {"".join([word if not n else word.capitalize() for n, word in enumerate(k.split("_"))]) for k in named}

    assert camel == set(REQUESTS)


@pytest.mark.parametrize("delegate", [None, Role.SUPPORT, Role.SERVICE])
def test_no_answer_to_a_person_says_which_member_of_staff_or_which_program_acted(
    api: Api, handled: str, delegate: Role | None
) -> None:
    me = api.as_(Role.USER, handled) if delegate is None else acting(api, Role.USER, handled, delegate)

    answers = [me(method, f"/v1/users/{handled}{path}", json=data) for method, path, data in REQUESTS.values()]
    link = answers[-1].json()["url"]
    answers += [me.get(f"/v1/users/{handled}/events?limit=200", headers={"Min-Log-Position": str(api.head())})]
    answers += [me.get(f"/v1/users/{handled}/diff?from=0"), api.with_token(None).get(link)]

    assert {answer.status_code for answer in answers} <= {200, 201}
    assert [str(answer.url) for answer in answers if TELLTALE in octets(answer).decode().lower()] == []


def test_people_are_told_what_was_done_when_in_which_role_and_why(api: Api, handled: str) -> None:
    told = api.as_(Role.USER, handled).get(f"/v1/users/{handled}/events?limit=200").json()["items"]

    facts = {fact["topic"]: fact for fact in told}
    assert (facts["user.registered"]["by"], facts["user.suspended"]["by"]) == ("service", "support")
    assert facts["user.suspended"]["data"] == {"reason": REASON}
    assert facts["user.display_name_changed"]["reason"] == WORDS["Reprise-Reason"]
    assert all(set(fact) == set(PERSON_FACT) for fact in told)


PERSON_FACT = ("position", "recordedAt", "topic", "version", "by", "reason", "unreadable", "data")


def test_a_persons_diff_says_what_the_one_of_staff_says_but_not_who(api: Api, handled: str) -> None:
    path = f"/v1/users/{handled}/diff?from=1&to=5"
    mine = api.as_(Role.USER, handled).get(path).json()
    theirs = api.as_(Role.SUPPORT, "carol").get(path).json()

    hidden = {"actor", "onBehalfOf", "client", "commandId"}
    for change, known in zip(mine["changes"], theirs["changes"], strict=True):
        assert change == {n: v for n, v in known.items() if n not in hidden} | {"by": known["actor"].partition(":")[0]}
    assert (mine["old"], mine["new"]) == (theirs["old"], theirs["new"])
    assert any(change["reason"] == REASON for change in mine["changes"])


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPPORT, Role.AUDITOR])
def test_staff_still_see_who_it_was(api: Api, handled: str, role: Role) -> None:
    staff = api.as_(role, "someone")
    facts = {f["topic"]: f for f in staff.get(f"/v1/users/{handled}/events?limit=200").json()["items"]}
    changes = staff.get(f"/v1/users/{handled}/diff?from=4&to=5").json()["changes"]

    name, client = STAFF[Role.SUPPORT]
    suspended = facts["user.suspended"]
    assert (suspended["actor"], suspended["client"], suspended["onBehalfOf"]) == (f"support:{name}", client, None)
    assert [(change["actor"], change["client"]) for change in changes] == [(f"support:{name}", client)]


def test_facts_about_an_address_do_not_tell_whether_somebody_had_it_before(api: Api) -> None:
    email = "handed-on@handled.example"
    for _ in range(2):
        former = api.user_id(email)
        assert api.admin.post(f"/v1/users/{former}/erasure", {"reason": "Case 1"}).is_success
    user_id = api.user_id(email)

    told = api.as_(Role.USER, user_id).get(f"/v1/users/{user_id}/events", headers={"Min-Log-Position": str(api.head())})

    assert [(fact["topic"], fact["version"]) for fact in told.json()["items"]] == [("user.registered", 1)]


@pytest.mark.parametrize("view", [PersonFactView, PersonChangeView])
def test_what_people_see_has_no_room_for_who_it_was(view: type[msgspec.Struct]) -> None:
    names = set(view.__struct_fields__)

    assert names.isdisjoint({"actor", "on_behalf_of", "client", "command_id", "correlation_id", "trace_id", "user_id"})


def test_the_description_says_that_people_get_answers_of_their_own(api: Api) -> None:
    described = api.with_token(None).get("/schema/openapi.json").json()

    def options(path: str) -> list[str]:
        answer = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        return [option["$ref"].rpartition("/")[2] for option in answer["anyOf"]]

    assert options("/v1/users/{userId}/diff") == ["UserDiffView", "PersonDiffView"]
    assert ["Person" in name for name in options("/v1/users/{userId}/events")] == [False, True]
    for name, schema in described["components"]["schemas"].items():
        if name.startswith("Person"):
            assert not {"actor", "onBehalfOf", "client", "commandId"} & set(schema.get("properties", {}))


@pytest.mark.parametrize(
    ("actor", "by"),
    [
        ("system:import", "import"),
        ("system:cli", "system"),
        ("support:import", "support"),
        ("user:system:import", "user"),
        (None, None),
    ],
)
def test_what_came_along_from_elsewhere_is_told_as_such(actor: str | None, by: str | None) -> None:
    assert role_of(actor, uuid4()) == by
