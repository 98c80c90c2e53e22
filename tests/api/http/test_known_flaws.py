"""Flaws that other user platforms had (CVEs of 2025 and 2026), tried here."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import Api, Caller, a_person, an_address, nothing_recorded, refusal


def test_a_one_time_token_used_fifty_times_in_parallel_works_once(api: Api) -> None:
    """CVE-2025-46815."""
    email = an_address()
    api.register(email)
    anybody, content = api.with_token(None), {"token": api.mailed_token(email)}
    before = api.head()

    with ThreadPoolExecutor(50) as fifty:
        answers = list(fifty.map(lambda _: anybody.post("/v1/email-verifications", content), range(50)))

    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 49
    assert len(api.changes(after=before)) == 1


def test_of_two_wishes_for_an_address_the_token_of_one_does_not_confirm_the_other(api: Api, admin: Caller) -> None:
    """CVE-2026-32700."""
    first, second = an_address(), an_address()
    user = f"/v1/users/{api.user_id()}"
    admin.post(f"{user}/email-change", {"email": first})
    overtaken = api.mailed_token(first)
    admin.post(f"{user}/email-change", {"email": second})

    with nothing_recorded(api):
        answer = api.with_token(None).post("/v1/email-verifications", {"token": overtaken})

    refusal(answer, 422, "verification_token_invalid")
    assert admin.get(user).json()["pendingEmail"] == second


@pytest.mark.parametrize("spoil", ["", "{}x", "x{}", "{}=", "{} ", "{}\n"])
def test_a_mailed_token_that_was_altered_confirms_nothing(api: Api, spoil: str) -> None:
    """CVE-2026-27840."""
    email = an_address()
    api.register(email)
    token = api.mailed_token(email)

    with nothing_recorded(api):
        for altered in (spoil.format(token), token[:-1], token[:20], token.swapcase()):
            answer = api.with_token(None).post("/v1/email-verifications", {"token": altered})
            refusal(answer, 422, "verification_token_invalid")


def test_an_external_id_is_never_taken_for_a_users_id(api: Api, admin: Caller) -> None:
    """CVE-2025-41115."""
    victim = api.user_id()
    api.register(externalId="17")
    api.register(externalId=victim)

    refusal(admin.get("/v1/users/17"), 400, "parameter_invalid")
    assert admin.get(f"/v1/users/{victim}").json()["id"] == victim


def test_links_in_mails_do_not_follow_the_host_header(api: Api, admin: Caller) -> None:
    """CVE-2026-27812."""
    email = an_address()
    admin.post(
        "/v1/users", a_person(email), headers={"Host": "attacker.example", "X-Forwarded-Host": "attacker.example"}
    )

    api.mailed_token(email)

    mails = [path.read_text() for path in (api.settings.home / "outbox").glob("*.eml")]
    assert not [mail for mail in mails if "attacker.example" in mail]


@pytest.mark.parametrize("text", ["' OR '1'='1", "'; DROP TABLE log.event; --", "%%", "__", "%(q)s", "{}{}", "\\x27"])
def test_a_query_is_never_taken_for_sql(api: Api, admin: Caller, text: str) -> None:
    """CVE-2026-32714."""
    registered = api.register()
    after = {"Min-Log-Position": registered.headers["log-position"]}

    for name in ("q", "externalId"):
        answer = admin.get("/v1/users", params={name: text}, headers=after)
        if " " in text and name == "externalId":
            refusal(answer, 400, "parameter_invalid")
        else:
            assert (answer.status_code, answer.json()["items"]) == (200, [])
    for path, name in (("/v1/users", "email"), ("/v1/audit/events", "actor"), ("/v1/audit/events", "topic")):
        refusal(admin.get(path, params={name: text}, headers=after), 400, "parameter_invalid")


def test_a_cursor_holds_nothing_personal(api: Api, admin: Caller) -> None:
    registered = [api.register(displayName="Zaphod Beeblebrox") for _ in range(3)]
    after = {"Min-Log-Position": registered[-1].headers["log-position"]}

    cursor = admin.get("/v1/users?q=zaphod&limit=1", headers=after).json()["nextCursor"]

    octets = base64.urlsafe_b64decode(cursor + "==")
    assert len(octets) < 40
    assert b"zaphod" not in octets.lower()


def test_a_user_who_may_not_is_told_so_before_what_they_sent_is_looked_at(api: Api) -> None:
    """A refusal that depends on the state of somebody else's account tells that state to strangers."""
    stranger = api.with_token(None)
    user = f"/v1/users/{api.user_id()}"

    for headers in ({"If-Match": '"1"'}, {"If-Match": '"9"'}, {"Idempotency-Key": "k"}, {"If-None-Match": '"1"'}):
        refusal(stranger.patch(user, {"no": "such field"}, headers=headers), 401, "token_missing")
        refusal(stranger.get(user, headers=headers), 401, "token_missing")
