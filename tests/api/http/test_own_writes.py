"""People read what they have just done, without asking for it."""

import uuid

import httpx
import pytest

from application.actors import Role
from tests.support.api import Api, Caller, an_address, refusal
from tests.support.delegating import delegated
from tests.support.running import follow_to_head

NOTHING_WAITED_FOR = {"Min-Log-Position": "0"}


def ids_at(caller: Caller, path: str, headers: dict[str, str] | None = None, **params: str) -> list[str]:
    """Who is on the first page of a list."""
    answer = caller.get(path, params=params, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_whoever_writes_finds_it_in_every_list_at_once(api: Api, admin: Caller) -> None:
    for number in range(20):
        name = f"Wrote{uuid.uuid4().hex}"
        registered = api.register(displayName=name)
        user = registered.headers["location"]

        assert ids_at(admin, "/v1/users", q=name) == [registered.json()["userId"]]
        renamed = admin.patch(user, {"displayName": f"Renamed {number}"})
        topics = [fact["topic"] for fact in admin.get(f"{user}/events?limit=200").json()["items"]]
        assert topics[-1] == "user.display_name_changed"
        audited = admin.get("/v1/audit/events", params={"user": registered.json()["userId"], "limit": "200"})
        assert audited.json()["items"][-1]["position"] == renamed.json()["position"]


def test_whoever_acts_for_somebody_finds_what_they_did_for_them(api: Api) -> None:
    console = delegated(api, Role.ADMIN, "console", {"sub": "bob", "role": "support"})

    for _ in range(10):
        name = f"Wrote{uuid.uuid4().hex}"
        registered = console.post("/v1/users", {"email": an_address(), "displayName": name, "country": "SE"})

        assert ids_at(console, "/v1/users", q=name) == [registered.json()["userId"]]


def test_an_external_id_is_found_at_once_by_everybody(api: Api) -> None:
    other = api.as_(Role.SERVICE, "crm")

    for _ in range(20):
        external_id = uuid.uuid4().hex
        registered = api.register(externalId=external_id)

        assert ids_at(other, "/v1/users", externalId=external_id) == [registered.json()["userId"]]


def test_a_list_that_cannot_have_it_in_time_is_answered_all_the_same(own_api: Api) -> None:
    first = own_api.register()
    follow_to_head(own_api.conninfo)
    second = own_api.register()

    for path in ("/v1/users", "/v1/audit/events", "/v1/statistics/users", f"{first.headers['location']}/events"):
        answer = own_api.admin.get(path)

        assert answer.status_code == 200, answer.text
        assert int(answer.headers["log-position"]) < second.json()["position"]
    refusal(own_api.admin.get("/v1/users", headers=after(second)), 503, "position_not_reached")


def test_a_position_in_the_request_takes_the_place_of_what_was_written(own_api: Api) -> None:
    first = own_api.register()
    follow_to_head(own_api.conninfo)
    second = own_api.register()

    older = own_api.admin.get("/v1/users", headers=after(first))
    oldest = own_api.admin.get("/v1/users", headers=NOTHING_WAITED_FOR)

    assert older.status_code == oldest.status_code == 200
    assert int(older.headers["log-position"]) < second.json()["position"]


def after(response: httpx.Response) -> dict[str, str]:
    return {"Min-Log-Position": response.headers["log-position"]}


@pytest.mark.parametrize("header", ["-1", "1.5", "x", str(2**63)])
def test_what_is_no_position_is_refused_in_lists_and_by_address(api: Api, admin: Caller, header: str) -> None:
    for path in ("/v1/users", f"/v1/users?email={an_address()}"):
        refusal(admin.get(path, headers={"Min-Log-Position": header}), 400, "parameter_invalid")
