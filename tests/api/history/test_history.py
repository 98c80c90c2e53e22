"""What was done to an account, what the account was, and searching through it all."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from application.actors import Role
from tests.api.users.test_lists import pages_of
from tests.support.api import Api, Caller, a_person, nothing_recorded, refusal

NOBODY = "0190c0de-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def moved(api: Api) -> dict[str, Any]:
    """A user who lived in Sweden, Norway and Denmark, and what each move was answered with."""
    registered = api.register()
    user = registered.headers["location"]
    moves = [api.admin.patch(user, {"country": country}) for country in ("NO", "DK")]
    return {"user": user, "answers": [registered, *moves], "countries": ["SE", "NO", "DK"]}


def test_the_timeline_tells_everything_in_order(moved: dict[str, Any], admin: Caller) -> None:
    timeline = admin.get(f"{moved['user']}/events", headers=after(moved["answers"][-1])).json()["items"]

    assert [(item["topic"], item["version"]) for item in timeline] == [
        ("user.registered", 1),
        ("email_claim.claimed", 1),
        ("user.country_changed", 2),
        ("user.country_changed", 3),
    ]
    assert {item["userId"] for item in timeline} == {moved["user"].rpartition("/")[2]}
    assert [item["actor"] for item in timeline] == ["admin:root"] * 4
    assert timeline[-1]["data"] == {"country": "DK"}
    positions = [item["position"] for item in timeline]
    assert positions == sorted(positions)


def test_the_timeline_comes_in_pages(moved: dict[str, Any], admin: Caller) -> None:
    pages = list(pages_of(admin, f"{moved['user']}/events?limit=3", after(moved["answers"][-1])))

    assert [len(page) for page in pages] == [3, 1]


def test_nobody_has_no_timeline(admin: Caller) -> None:
    refusal(admin.get(f"/v1/users/{NOBODY}/events"), 404, "user_not_found")


def test_a_user_can_be_seen_as_of_each_version(moved: dict[str, Any], admin: Caller) -> None:
    states = [admin.get(f"{moved['user']}/state?version={version}").json() for version in (1, 2, 3)]

    assert [state["user"]["country"] for state in states] == moved["countries"]
    assert [state["version"] for state in states] == [1, 2, 3]
    assert [state["user"]["version"] for state in states] == [1, 2, 3]


def test_a_user_can_be_seen_as_of_each_position(moved: dict[str, Any], admin: Caller) -> None:
    positions = [answer.json()["position"] for answer in moved["answers"]]
    states = [admin.get(f"{moved['user']}/state?position={position}").json() for position in positions]

    assert [state["user"]["country"] for state in states] == moved["countries"]


def test_a_user_can_be_seen_as_of_each_instant(moved: dict[str, Any], admin: Caller) -> None:
    instants = [admin.get(f"{moved['user']}/state?version={version}").json()["recordedAt"] for version in (1, 2, 3)]
    states = [admin.get(f"{moved['user']}/state", params={"at": instant}).json() for instant in instants]

    assert [state["user"]["country"] for state in states] == moved["countries"]


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        ("version=4", "does not have this version"),
        ("position=0", "was registered after that moment"),
        ("at=2020-01-01T00:00:00Z", "was registered after that moment"),
        ("at=0001-01-01T00:00:00%2B14:00", "was registered after that moment"),
    ],
)
def test_a_moment_at_which_the_user_was_not_is_not_found(
    moved: dict[str, Any], admin: Caller, moment: str, why: str
) -> None:
    problem = refusal(admin.get(f"{moved['user']}/state?{moment}"), 404, "moment_not_found")
    nobody = refusal(admin.get(f"/v1/users/{NOBODY}/state?{moment}"), 404, "moment_not_found")

    assert why in problem["detail"]
    assert "did not exist at this moment" in nobody["detail"]


def test_the_instant_of_the_registration_is_the_first_at_which_the_user_is(
    moved: dict[str, Any], admin: Caller
) -> None:
    first = admin.get(f"{moved['user']}/state?version=1").json()
    registered_at = datetime.fromisoformat(first["recordedAt"])
    just_before = (registered_at - timedelta(microseconds=1)).isoformat()

    state = admin.get(f"{moved['user']}/state", params={"at": first["recordedAt"]}).json()
    refused = admin.get(f"{moved['user']}/state", params={"at": just_before})

    assert {name: state[name] for name in ("version", "position", "recordedAt")} == {
        "version": 1,
        "position": moved["answers"][0].json()["position"] - 1,
        "recordedAt": first["recordedAt"],
    }
    assert "registered after" in refusal(refused, 404, "moment_not_found")["detail"]


@pytest.mark.parametrize("moment", ["position=9223372036854775807", "at=9999-12-31T23:59:59-14:00"])
def test_the_far_future_looks_like_the_present(moved: dict[str, Any], admin: Caller, moment: str) -> None:
    state = admin.get(f"{moved['user']}/state?{moment}")

    assert (state.status_code, state.json()["version"]) == (200, 3)


def test_the_address_claim_of_a_user_is_not_a_user(moved: dict[str, Any], admin: Caller) -> None:
    timeline = admin.get(f"{moved['user']}/events", headers=after(moved["answers"][-1])).json()["items"]
    claim = next(item["streamId"] for item in timeline if item["topic"] == "email_claim.claimed")

    refusal(admin.get(f"/v1/users/{claim}"), 404, "user_not_found")
    refusal(admin.get(f"/v1/users/{claim}/state?version=1"), 404, "moment_not_found")
    refusal(admin.get(f"/v1/users/{claim}/events"), 404, "user_not_found")
    for method, path, content in [("PATCH", "", {"country": "SE"}), ("POST", "/deletion", None)]:
        refusal(admin(method, f"/v1/users/{claim}{path}", json=content), 404, "user_not_found")


def test_the_audit_finds_facts_by_all_that_is_on_record(api: Api) -> None:
    correlation = "0190c0de-0000-4000-8000-0000000000aa"
    user_id = api.user_id()
    suspended = api.as_(Role.SUPPORT, "carol").post(
        f"/v1/users/{user_id}/suspension", {"reason": "Spam"}, headers={"Correlation-Id": correlation}
    )
    auditor = api.as_(Role.AUDITOR, "eve")
    found = auditor.get(f"/v1/audit/events?user={user_id}&topic=user.suspended", headers=after(suspended)).json()[
        "items"
    ]
    instant, command = found[0]["recordedAt"], found[0]["commandId"]

    for query in (
        {"actor": "support:carol", "user": user_id},
        {"correlation": correlation},
        {"command": command},
        {"from": instant, "user": user_id},
        {"user": user_id, "topic": "user.suspended", "actor": "support:carol", "command": command},
    ):
        assert auditor.get("/v1/audit/events", params=query).json()["items"] == found, query
    before = auditor.get("/v1/audit/events", params={"to": instant, "user": user_id}).json()["items"]
    assert [item["topic"] for item in before] == ["user.registered", "email_claim.claimed"]
    assert "data" not in found[0]


def test_the_audit_reads_the_whole_log_in_its_order(moved: dict[str, Any], api: Api) -> None:
    with nothing_recorded(api):
        head = {"Min-Log-Position": str(api.head())}
        pages = list(pages_of(api.as_(Role.AUDITOR), "/v1/audit/events?limit=200", head))

    assert [item["position"] for page in pages for item in page] == api.changes()


def test_what_a_person_did_themselves_is_on_record_as_theirs(api: Api) -> None:
    user_id = api.user_id()
    changed = api.as_(Role.USER, user_id).patch(f"/v1/users/{user_id}", {"country": "GB"})

    last = api.admin.get(f"/v1/users/{user_id}/events", headers=after(changed)).json()["items"][-1]

    assert (last["actor"], last["onBehalfOf"]) == (f"user:{user_id}", None)


def test_whoever_confirms_an_address_is_on_record_as_its_recipient(api: Api) -> None:
    person = a_person()
    user_id = api.user_id(person["email"])
    token = api.mailed_token(person["email"])
    confirmed = api.with_token(None).post("/v1/email-verifications", {"token": token})

    last = api.admin.get(f"/v1/users/{user_id}/events", headers=after(confirmed)).json()["items"][-1]

    assert (last["topic"], last["actor"]) == ("user.email_verified", "user:recipient-of-mail")


def after(response: httpx.Response) -> dict[str, str]:
    return {"Min-Log-Position": response.headers["log-position"]}
