"""Idempotency keys: a repeated command is the same command, for its sender only."""

from typing import Any

import pytest

from application.actors import Role
from tests.support.api import Api, Caller, a_person, an_address, nothing_recorded, refusal

COMMANDS: list[tuple[str, str, Any]] = [
    ("PATCH", "", {"displayName": "Ada King"}),
    ("PUT", "/consents/newsletter", {"granted": True, "documentVersion": "2026-01"}),
    ("POST", "/suspension", {"reason": "Spam"}),
    ("POST", "/deactivation", None),
    ("POST", "/deletion", None),
]


@pytest.mark.parametrize(("method", "path", "content"), COMMANDS)
def test_a_repeated_command_is_answered_as_before_and_records_nothing(
    api: Api, admin: Caller, method: str, path: str, content: Any
) -> None:
    user, key = f"/v1/users/{api.user_id()}", {"Idempotency-Key": an_address()}
    first = admin(method, f"{user}{path}", json=content, headers=key)
    admin.put(f"{user}/consents/ads", {"granted": False, "documentVersion": "2026-01"})

    with nothing_recorded(api):
        again = admin(method, f"{user}{path}", json=content, headers=key)

    assert answer_of(again) == answer_of(first)


def test_a_repeated_registration_is_answered_as_before(api: Api, admin: Caller) -> None:
    person, key = a_person(), {"Idempotency-Key": an_address()}
    first = admin.post("/v1/users", person, headers=key)
    admin.patch(first.headers["location"], {"country": "GB"})

    with nothing_recorded(api):
        again = admin.post("/v1/users", person, headers=key)

    assert again.status_code == 201
    assert answer_of(again) == answer_of(first)


def test_a_repeated_command_is_answered_even_where_its_version_is_stale_by_now(api: Api, admin: Caller) -> None:
    user, headers = f"/v1/users/{api.user_id()}", {"Idempotency-Key": an_address(), "If-Match": '"1"'}
    first = admin.patch(user, {"country": "GB"}, headers=headers)

    again = admin.patch(user, {"country": "GB"}, headers=headers)

    assert answer_of(again) == answer_of(first)


def test_a_repeated_confirmation_is_answered_as_before(api: Api) -> None:
    person, key = a_person(), {"Idempotency-Key": an_address()}
    api.register(person["email"])
    anybody, content = api.with_token(None), {"token": api.mailed_token(person["email"])}
    first = anybody.post("/v1/email-verifications", content, headers=key)

    again = anybody.post("/v1/email-verifications", content, headers=key)

    assert first.status_code == 200
    assert answer_of(again) == answer_of(first)


@pytest.mark.parametrize("change", ["content", "method", "path", "version", "reason", "spaces"])
def test_a_key_is_good_for_one_command_only(api: Api, admin: Caller, change: str) -> None:
    user, key = f"/v1/users/{api.user_id()}", {"Idempotency-Key": an_address()}
    other = {
        "content": ("PATCH", user, b'{"country":"NO"}', {}),
        "method": ("POST", f"{user}/deactivation", b"", {}),
        "path": ("PATCH", f"/v1/users/{api.user_id()}", b'{"country":"GB"}', {}),
        "version": ("PATCH", user, b'{"country":"GB"}', {"If-Match": '"2"'}),
        "reason": ("PATCH", user, b'{"country":"GB"}', {"Reprise-Reason": "Moved"}),
        "spaces": ("PATCH", user, b'{"country": "GB"}', {}),
    }[change]
    json = {"Content-Type": "application/json"}
    admin("PATCH", user, content=b'{"country":"GB"}', headers=key | json)
    method, path, content, headers = other

    with nothing_recorded(api):
        answer = admin(method, path, content=content, headers=key | json | headers)

    refusal(answer, 422, "idempotency_key_reused")


def test_a_registration_with_a_key_that_was_used_is_refused_even_if_it_would_be_refused_anyway(
    api: Api, admin: Caller
) -> None:
    person, key = a_person(), {"Idempotency-Key": an_address()}
    admin.post("/v1/users", person, headers=key)

    with nothing_recorded(api):
        for other in (person | {"country": "NO"}, a_person()):
            refusal(admin.post("/v1/users", other, headers=key), 422, "idempotency_key_reused")


def test_the_same_key_of_another_sender_is_another_key(api: Api) -> None:
    key = {"Idempotency-Key": an_address()}
    senders = [
        api.as_(Role.SERVICE, "web"),
        api.as_(Role.SERVICE, "app"),
        api.as_(Role.SERVICE, "web", "checkout"),
        api.as_(Role.ADMIN, "web"),
    ]

    answers = [sender.post("/v1/users", a_person(), headers=key) for sender in senders]

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["userId"] for answer in answers}) == 4


def test_nobody_gets_the_answer_to_somebody_elses_command(api: Api) -> None:
    user_id, other = api.user_id(), api.user_id()
    key = {"Idempotency-Key": an_address()}
    api.as_(Role.USER, user_id).patch(f"/v1/users/{user_id}", {"country": "GB"}, headers=key)

    stranger = api.as_(Role.USER, other)

    refusal(stranger.patch(f"/v1/users/{user_id}", {"country": "GB"}, headers=key), 403, "permission_denied")
    assert stranger.patch(f"/v1/users/{other}", {"country": "GB"}, headers=key).json()["userId"] == other


def test_a_refused_command_does_not_use_up_its_key(api: Api, admin: Caller) -> None:
    user, key = f"/v1/users/{api.user_id()}", {"Idempotency-Key": an_address()}
    admin.post(f"{user}/suspension", {"reason": "Spam"})
    refusal(admin.patch(user, {"country": "GB"}, headers=key), 409, "user_is_suspended")
    admin("DELETE", f"{user}/suspension", json={"reason": "Not spam"})

    assert admin.patch(user, {"country": "GB"}, headers=key).status_code == 200


def answer_of(response: Any) -> tuple[Any, ...]:
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, headers, response.content
