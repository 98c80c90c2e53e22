"""Commands about one user, and reading that user."""

from typing import Any

import pytest

from application.actors import Role
from tests.support.api import Api, Caller, an_address, nothing_recorded, refusal

NOBODY = "0190c0de-0000-7000-8000-000000000000"
REASON = {"reason": "Reported for spam by 14 people."}
CONSENT = {"granted": True, "documentVersion": "2026-01"}

COMMANDS: list[tuple[str, str, Any]] = [
    ("PATCH", "", {"displayName": "Ada King"}),
    ("POST", "/email-change", {"email": "ada.king@example.com"}),
    ("PUT", "/consents/newsletter", CONSENT),
    ("POST", "/suspension", REASON),
    ("DELETE", "/suspension", REASON),
    ("POST", "/deactivation", None),
    ("DELETE", "/deactivation", None),
    ("POST", "/deletion", None),
    ("DELETE", "/deletion", None),
]
every_command = pytest.mark.parametrize(("method", "path", "content"), COMMANDS)


def test_a_profile_is_changed_in_what_is_named_and_nothing_else(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id(locale='sv-SE', birthDate='1990-12-10')}"

    changed = admin.patch(user, {"displayName": "Ada King", "country": "GB", "locale": None})

    assert (changed.status_code, changed.json()["version"], changed.headers["etag"]) == (200, 4, '"4"')
    after = admin.get(user).json()
    assert (after["displayName"], after["country"], after["locale"]) == ("Ada King", "GB", None)
    assert after["birthDate"] == "1990-12-10"


def test_a_patch_may_be_sent_as_a_merge_patch(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    patched = admin.patch(
        user, content=b'{"explicitContentFilter":true}', headers={"Content-Type": "application/merge-patch+json"}
    )

    assert patched.status_code == 200
    assert admin.get(user).json()["explicitContentFilter"] is True


def test_a_patch_that_changes_nothing_records_nothing(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    with nothing_recorded(api):
        answer = admin.patch(user, {"displayName": "Ada Lovelace"})

    assert (answer.status_code, answer.json()["version"]) == (200, 1)


def test_another_address_becomes_the_users_when_the_mailed_token_comes_back(api: Api, admin: Caller) -> None:
    new = an_address()
    user = f"/v1/users/{api.user_id()}"

    asked = admin.post(f"{user}/email-change", {"email": new})
    pending = admin.get(user).json()
    confirmed = api.with_token(None).post("/v1/email-verifications", {"token": api.mailed_token(new)})
    after = admin.get(user).json()

    assert (asked.status_code, confirmed.status_code) == (200, 200)
    assert pending["pendingEmail"] == new != pending["email"]
    assert (after["email"], after["emailVerified"], after["pendingEmail"]) == (new, True, None)
    assert confirmed.headers["etag"] == f'"{after["version"]}"'


def test_a_mailed_token_works_once(api: Api) -> None:
    email = an_address()
    api.register(email)
    anybody, token = api.with_token(None), api.mailed_token(email)
    anybody.post("/v1/email-verifications", {"token": token})

    with nothing_recorded(api):
        problem = refusal(anybody.post("/v1/email-verifications", {"token": token}), 422, "verification_token_invalid")

    assert problem["field"] == "token"


def test_consents_are_kept_by_purpose(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    granted = admin.put(f"{user}/consents/newsletter", CONSENT)
    withdrawn = admin.put(f"{user}/consents/personalised-ads", {"granted": False, "documentVersion": "2026-02"})

    assert (granted.status_code, withdrawn.status_code) == (200, 200)
    assert admin.get(user).json()["consents"] == {
        "newsletter": {"granted": True, "documentVersion": "2026-01"},
        "personalised-ads": {"granted": False, "documentVersion": "2026-02"},
    }


def test_a_suspended_user_is_closed_to_changes_until_reinstated(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    suspended = admin.post(f"{user}/suspension", REASON)
    refused = admin.patch(user, {"country": "GB"})
    status = admin.get(user).json()["status"]
    reinstated = admin("DELETE", f"{user}/suspension", json=REASON)

    assert (suspended.status_code, status, reinstated.status_code) == (200, "suspended", 200)
    refusal(refused, 409, "user_is_suspended")
    assert admin.get(user).json()["status"] == "active"


def test_the_reason_for_reinstating_may_stand_in_a_header(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"
    admin.post(f"{user}/suspension", REASON)

    without = admin.delete(f"{user}/suspension")
    reinstated = admin.delete(f"{user}/suspension", headers={"Reprise-Reason": "Överklagan bifölls".encode()})

    refusal(without, 422, "reason_invalid")
    assert reinstated.status_code == 200
    last = admin.get(f"{user}/events", headers=after(reinstated)).json()["items"][-1]
    assert (last["topic"], last["data"]["reason"]) == ("user.reinstated", "Överklagan bifölls")


def test_a_deactivated_user_can_be_reactivated(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    admin.post(f"{user}/deactivation")
    status = admin.get(user).json()["status"]
    refused = admin.patch(user, {"country": "GB"})
    reactivated = admin.delete(f"{user}/deactivation")

    assert (status, reactivated.status_code) == ("deactivated", 200)
    refusal(refused, 409, "user_is_deactivated")
    assert admin.get(user).json()["status"] == "active"


def test_a_deletion_can_be_withdrawn_before_it_is_due(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    admin.post(f"{user}/deletion")
    waiting = admin.get(user).json()
    refused = admin.post(f"{user}/deactivation")
    withdrawn = admin.delete(f"{user}/deletion")

    assert waiting["status"] == "deletion_requested"
    assert waiting["eraseAfter"] > waiting["updatedAt"]
    refusal(refused, 409, "deletion_is_pending")
    assert withdrawn.status_code == 200
    assert admin.get(user).json()["status"] == "active"


@every_command
def test_a_command_about_nobody_is_refused(api: Api, admin: Caller, method: str, path: str, content: Any) -> None:
    with nothing_recorded(api):
        refusal(admin(method, f"/v1/users/{NOBODY}{path}", json=content), 404, "user_not_found")


@every_command
def test_a_command_on_a_stale_version_is_refused(api: Api, admin: Caller, method: str, path: str, content: Any) -> None:
    user = f"/v1/users/{api.user_id()}"
    admin.patch(user, {"country": "GB"})

    with nothing_recorded(api):
        answer = admin(method, f"{user}{path}", json=content, headers={"If-Match": '"1"'})

    refusal(answer, 412, "version_is_stale")


@every_command
def test_a_command_on_the_current_version_is_carried_out(
    api: Api, admin: Caller, method: str, path: str, content: Any
) -> None:
    user = f"/v1/users/{api.user_id()}"
    content = {"email": an_address()} if path == "/email-change" else content

    answer = admin(method, f"{user}{path}", json=content, headers={"If-Match": '"1"'})

    assert answer.status_code == 200
    assert answer.json()["userId"] == user.rpartition("/")[2]
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'


@pytest.mark.parametrize(
    ("tags", "status", "code"),
    [
        ('W/"1"', 412, "entity_tag_weak"),
        ('W/"2"', 412, "entity_tag_weak"),
        (',W/"1" ,', 412, "entity_tag_weak"),
        ('"2"', 412, "version_is_stale"),
        ('"2",', 412, "version_is_stale"),
        ('"0"', 412, "version_is_stale"),
        ('"somebody else\'s tag"', 400, "parameter_invalid"),
        ('"else"', 412, "version_is_stale"),
        ("1", 400, "parameter_invalid"),
        ('"1", "2"', 400, "parameter_invalid"),
        ("", 400, "parameter_invalid"),
        (", ,", 400, "parameter_invalid"),
        ("*,", 400, "parameter_invalid"),
        ('*, "1"', 400, "parameter_invalid"),
        ('"1" "2"', 400, "parameter_invalid"),
        ('w/"1"', 400, "parameter_invalid"),
        ('"1', 400, "parameter_invalid"),
    ],
)
def test_a_precondition_that_cannot_hold_is_refused(api: Api, admin: Caller, tags: str, status: int, code: str) -> None:
    user = f"/v1/users/{api.user_id()}"

    with nothing_recorded(api):
        problem = refusal(admin.patch(user, {"country": "GB"}, headers={"If-Match": tags}), status, code)

    assert (problem["field"], problem["source"]) == ("If-Match", "header")


@pytest.mark.parametrize("tags", ['"1"', '"1",', ', "1" ,\t,'])
def test_blanks_and_empty_members_around_a_version_say_nothing(api: Api, admin: Caller, tags: str) -> None:
    answer = admin.patch(f"/v1/users/{api.user_id()}", {"country": "GB"}, headers={"If-Match": tags})

    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')


def test_any_version_will_do_for_a_star(api: Api, admin: Caller) -> None:
    answer = admin.patch(f"/v1/users/{api.user_id()}", {"country": "GB"}, headers={"If-Match": "*"})

    assert answer.status_code == 200


@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', '"7", "1"', "*", '"7","1",', ',, "1"', '"a,b","1"', '"1","1"'])
def test_whoever_has_the_current_version_is_not_sent_it_again(api: Api, admin: Caller, tags: str) -> None:
    answer = admin.get(f"/v1/users/{api.user_id()}", headers={"If-None-Match": tags})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == '"1"'
    assert int(answer.headers["log-position"]) > 0


@pytest.mark.parametrize("tags", ['"7"', '"7",', ",", "", '",1,"', '"7,1"'])
def test_whoever_has_another_version_is_sent_the_current_one(api: Api, admin: Caller, tags: str) -> None:
    answer = admin.get(f"/v1/users/{api.user_id()}", headers={"If-None-Match": tags})

    assert answer.status_code == 200


def test_a_user_can_be_read_at_once_after_each_change(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    for country in ("GB", "NO", "DK", "FI"):
        changed = admin.patch(user, {"country": country})
        read = admin.get(user, headers=after(changed))

        assert read.json()["country"] == country
        assert int(read.headers["log-position"]) >= changed.json()["position"]


def test_the_head_of_a_user_is_answered_without_content(api: Api, admin: Caller) -> None:
    answer = admin("HEAD", f"/v1/users/{api.user_id()}")

    assert (answer.status_code, answer.headers["etag"], answer.content) == (200, '"1"', b"")


def test_who_why_and_in_which_trace_goes_on_record(api: Api) -> None:
    support = api.as_(Role.SUPPORT, "bob", client_id="console")
    user = f"/v1/users/{api.user_id()}"
    correlation = "0190c0de-0000-4000-8000-00000000abcd"

    changed = support.patch(
        user,
        {"country": "GB"},
        headers={
            "Reprise-Reason": "Ticket 4711",
            "Correlation-Id": correlation,
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    )

    found = api.admin.get(f"{user}/events", headers=after(changed)).json()["items"][-1]
    assert (found["actor"], found["client"], found["reason"]) == ("support:bob", "console", "Ticket 4711")
    assert found["correlationId"] == correlation
    assert found["topic"] == "user.country_changed"
    assert found["data"] == {"country": "GB"}


def after(response: Any) -> dict[str, str]:
    return {"Min-Log-Position": response.headers["log-position"]}
