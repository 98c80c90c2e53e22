"""Erasing a user over HTTP: by an administrator, for a reason, at once, and with a receipt."""

import uuid
from typing import Any

import pytest

from application.actors import Role
from tests.support.api import Api, Caller, a_person, an_address, nothing_recorded, refusal
from tests.support.waiting import eventually

WHY = {"reason": "Case 4711"}
ERASED = "[erased]"


def erased(api: Api, **facts: Any) -> str:
    user_id = api.user_id(**facts)
    assert api.admin.post(f"/v1/users/{user_id}/erasure", WHY).status_code == 200
    return user_id


def test_an_administrator_erases_a_user(api: Api, admin: Caller) -> None:
    user_id = api.user_id()

    answer = admin.post(f"/v1/users/{user_id}/erasure", WHY)

    assert (answer.status_code, answer.json()["version"], answer.headers["etag"]) == (200, 2, '"2"')
    refusal(admin.get(f"/v1/users/{user_id}"), 410, "user_is_erased")
    refusal(admin.patch(f"/v1/users/{user_id}", {"country": "GB"}), 410, "user_is_erased")


def test_erasing_twice_is_erasing_once(api: Api, admin: Caller) -> None:
    user_id = erased(api)

    again = admin.post(f"/v1/users/{user_id}/erasure", WHY)

    assert (again.status_code, again.json()["version"]) == (200, 2)


def test_a_repeated_request_has_the_same_answer(api: Api, admin: Caller) -> None:
    user_id, key = api.user_id(), {"Idempotency-Key": uuid.uuid4().hex}

    answers = [admin.post(f"/v1/users/{user_id}/erasure", WHY, headers=key).json() for _ in range(2)]

    assert answers[0] == answers[1]


@pytest.mark.parametrize("content", [{"reason": ""}, {"reason": " "}, {"reason": "x" * 501}])
def test_nobody_is_erased_without_a_reason(api: Api, admin: Caller, content: Any) -> None:
    user_id = api.user_id()

    with nothing_recorded(api):
        refusal(admin.post(f"/v1/users/{user_id}/erasure", content), 422, "reason_invalid")


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.AUDITOR, Role.SERVICE])
def test_nobody_else_may(api: Api, role: Role) -> None:
    user_id = api.user_id()

    with nothing_recorded(api):
        refusal(api.as_(role).post(f"/v1/users/{user_id}/erasure", WHY), 403, "permission_denied")
        refusal(api.as_(Role.USER, user_id).post(f"/v1/users/{user_id}/erasure", WHY), 403, "permission_denied")


def test_a_stale_version_erases_nobody(api: Api, admin: Caller) -> None:
    user_id = api.user_id()
    admin.patch(f"/v1/users/{user_id}", {"country": "GB"})

    with nothing_recorded(api):
        stale = admin.post(f"/v1/users/{user_id}/erasure", WHY, headers={"If-Match": '"1"'})
        refusal(stale, 412, "version_is_stale")


def test_who_is_unknown_cannot_be_erased(api: Api, admin: Caller) -> None:
    refusal(admin.post(f"/v1/users/{uuid.uuid4()}/erasure", WHY), 404, "user_not_found")


def test_the_past_of_an_erased_user_says_erased(api: Api, admin: Caller) -> None:
    email = an_address()
    user_id = erased(api, email=email, displayName="Kanarie", birthDate="1990-12-10", externalId=uuid.uuid4().hex)
    head = str(api.head())

    past = admin.get(f"/v1/users/{user_id}/state?version=1").json()["user"]
    last = admin.get(f"/v1/users/{user_id}/state?version=2").json()["user"]
    timeline = admin.get(f"/v1/users/{user_id}/events", headers={"Min-Log-Position": head}).json()["items"]
    diff = admin.get(f"/v1/users/{user_id}/diff?from=0&to=1").json()["changes"]
    found = admin.get(f"/v1/audit/events?user={user_id}", headers={"Min-Log-Position": head}).json()["items"]

    personal = ("email", "displayName", "birthDate", "externalId")
    assert {past[name] for name in personal} == {last[name] for name in personal} == {ERASED}
    assert (past["status"], last["status"], past["country"]) == ("active", "erased", "SE")
    assert {timeline[0]["data"][name] for name in personal} == {ERASED}
    assert {change["new"] for change in diff if change["field"] in personal} == {ERASED}
    assert [fact["topic"] for fact in found][-2:] == ["user.erased", "email_claim.released"]
    for answer in (past, last, timeline, diff, found):
        assert "Kanarie" not in str(answer)
        assert email not in str(answer)


def test_lists_forget_the_person(api: Api, admin: Caller) -> None:
    email = an_address()
    erased(api, email=email)

    listed = admin.get(f"/v1/users?email={email}", headers={"Min-Log-Position": str(api.head())})

    assert listed.json()["items"] == []


def test_the_address_can_be_registered_again_and_is_another_account(api: Api, admin: Caller) -> None:
    email = an_address()
    old = erased(api, email=email)

    again = admin.post("/v1/users", a_person(email))

    assert again.status_code == 201
    assert again.json()["userId"] != old


def test_the_receipt_says_who_when_and_why_and_proves_it(api: Api, admin: Caller) -> None:
    user_id = api.user_id()
    answer = admin.post(f"/v1/users/{user_id}/erasure", WHY).json()

    def receipt() -> Any:
        return admin.get(f"/v1/users/{user_id}/erasure").json()

    eventually(lambda: receipt()["sweptAt"] is not None and receipt()["proof"] is not None, "proof and sweeping")
    told = receipt()
    assert (told["userId"], told["actor"], told["reason"]) == (user_id, "admin:root", "Case 4711")
    assert told["position"] == answer["position"] - 1  # its address became free right after
    assert told["proof"]["position"] == told["position"] <= told["checkpoint"]["size"]


def test_who_was_not_erased_has_no_receipt(api: Api, admin: Caller) -> None:
    for user_id in (api.user_id(), uuid.uuid4()):
        refusal(admin.get(f"/v1/users/{user_id}/erasure"), 404, "erasure_not_found")
