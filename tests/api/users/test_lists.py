"""Searching and listing people, and reading your own writes in the lists."""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.api import Api, Caller, an_address, refusal
from tests.support.running import follow_to_head


def test_pages_follow_each_other_without_gap_or_repetition(api: Api, admin: Caller) -> None:
    registered = [api.register(country="IS") for _ in range(7)]

    pages = list(pages_of(admin, "/v1/users?country=IS&limit=3", after(registered[-1])))

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [item["id"] for page in pages for item in page] == [r.json()["userId"] for r in registered]


def test_all_filters_must_hold(api: Api, admin: Caller) -> None:
    api.register(displayName="Quintilla Norge", country="NO")
    api.register(displayName="Quintilla Finland", country="FI")
    wanted = api.register(displayName="Quintilla Other", country="FI")
    suspended = admin.post(f"/v1/users/{wanted.json()['userId']}/suspension", {"reason": "Spam"})

    found = admin.get("/v1/users?q=quintilla&country=FI&status=suspended", headers=after(suspended)).json()

    assert [item["id"] for item in found["items"]] == [wanted.json()["userId"]]
    assert found["items"][0]["status"] == "suspended"
    assert found["nextCursor"] is None


def test_people_are_found_by_address_in_any_spelling(api: Api, admin: Caller) -> None:
    email = an_address()
    registered = api.register(email)

    found = admin.get("/v1/users", params={"email": email.upper()}, headers=after(registered)).json()

    assert [item["email"] for item in found["items"]] == [email]


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("Zo\u0308e Quarz", ["Z\u00f6e Q", "Zo\u0308e Q", "z\u00f6E q", "\uff3a\u00f6e"]),
        ("\u674e\u5c0f\u9f8d", ["\u674e", "\u674e\u5c0f"]),
        ("\uae40\ucca0\uc218", ["\uae40", "\u1100\u1175\u11b7", "\u1100\u1175\u11b7\u110e\u1165\u11af"]),
        ("\u3055\u304f\u3089", ["\u3055"]),
        ("\uff21\uff44\uff41\uff22\uff42", ["adabb", "ADABB"]),
    ],
)
def test_people_are_found_by_name_in_any_spelling(api: Api, admin: Caller, name: str, spellings: list[str]) -> None:
    registered = api.register(displayName=name)

    for spelling in spellings:
        found = admin.get("/v1/users", params={"q": spelling, "limit": 200}, headers=after(registered)).json()

        assert registered.json()["userId"] in [item["id"] for item in found["items"]], spelling


@pytest.mark.parametrize("local_part", ["anders", "J\u00f6rg"])
def test_people_are_found_by_the_beginning_of_an_address_in_any_spelling(
    api: Api, admin: Caller, local_part: str
) -> None:
    registered = api.register(f"{local_part}.{uuid.uuid4().hex}@xn--dme-sna.se")
    address = admin.get(registered.headers["location"]).json()["email"]
    before = address.split("@")[0]

    for spelling in [address, f"{before}@xn--dme-sna.se", f"{before.upper()}@D\u00d6ME", f"{before}@do\u0308me"]:
        found = admin.get("/v1/users", params={"q": spelling}, headers=after(registered)).json()

        assert [item["id"] for item in found["items"]] == [registered.json()["userId"]], spelling


def test_people_are_found_by_the_id_that_others_know_them_by(api: Api, admin: Caller) -> None:
    external_id = f"crm-{uuid.uuid4().hex}"
    *both, other = (api.register(externalId=given) for given in (external_id, external_id, f"{external_id}1"))

    found = admin.get("/v1/users", params={"externalId": external_id}, headers=after(other)).json()
    nobody = admin.get("/v1/users", params={"externalId": external_id.upper()}, headers=after(other)).json()

    assert [item["id"] for item in found["items"]] == [one.json()["userId"] for one in both]
    assert nobody["items"] == []


def test_people_are_found_by_when_they_were_registered(api: Api, admin: Caller) -> None:
    first, second = api.register(country="LI"), api.register(country="LI")
    created_at = admin.get(first.headers["location"]).json()["createdAt"]

    found = admin.get("/v1/users", params={"country": "LI", "createdAfter": created_at}, headers=after(second)).json()

    assert [item["id"] for item in found["items"]] == [second.json()["userId"]]


def test_a_list_does_not_tell_what_only_the_user_tells(api: Api, admin: Caller) -> None:
    registered = api.register(birthDate="1990-12-10", country="MC")

    (item,) = admin.get("/v1/users?country=MC", headers=after(registered)).json()["items"]

    assert "birthDate" not in item
    assert {"emailKey", "nameKey", "consents"}.isdisjoint(item)


@pytest.mark.parametrize("other", ["/v1/users?country=MT&limit=2", "/v1/audit/events?limit=2"])
def test_a_cursor_is_good_for_its_own_query_only(api: Api, admin: Caller, other: str) -> None:
    registered = [api.register(country="AD") for _ in range(3)]
    page = admin.get("/v1/users?country=AD&limit=2", headers=after(registered[-1])).json()

    refusal(admin.get(f"{other}&cursor={page['nextCursor']}"), 400, "cursor_invalid")


def test_the_largest_page_has_two_hundred_items(admin: Caller) -> None:
    assert admin.get("/v1/users?limit=200").status_code == 200
    refusal(admin.get("/v1/users?limit=201"), 400, "parameter_invalid")


def test_a_list_that_is_not_fresh_enough_in_time_is_refused(own_api: Api) -> None:
    registered = own_api.register()
    follow_to_head(own_api.conninfo)
    current = own_api.admin.get("/v1/users", headers=after(registered))
    latest = own_api.register()

    assert current.status_code == 200
    for path in ("/v1/users", "/v1/audit/events", f"{registered.headers['location']}/events"):
        answer = own_api.admin.get(path, headers=after(latest))
        refusal(answer, 503, "position_not_reached")
        assert answer.headers["retry-after"] == "1"
    for path in (registered.headers["location"], "/v1/projections"):
        assert own_api.admin.get(path, headers=after(latest)).status_code == 200


@pytest.mark.parametrize("position", ["head", str(2**63 - 1)])
def test_a_position_that_was_never_given_out_is_refused_at_once(api: Api, position: str) -> None:
    registered = api.register()
    user = registered.headers["location"]
    beyond = {"Min-Log-Position": str(api.head() + 1_000_000) if position == "head" else position}

    for path in ("/v1/users", "/v1/audit/events", "/v1/statistics/users", user, f"{user}/events", "/v1/projections"):
        answer = api.admin.get(path, headers=beyond)

        refusal(answer, 400, "position_unknown")
        assert "retry-after" not in answer.headers


def test_whoever_writes_finds_it_in_the_list_at_once_while_others_write(api: Api) -> None:
    with Crowd(api):
        for number in range(40):
            email = an_address()
            registered = api.register(email)
            listed = api.admin.get("/v1/users", params={"email": email}, headers=after(registered))
            renamed = api.admin.patch(registered.headers["location"], {"displayName": f"Number {number}"})
            listed_again = api.admin.get("/v1/users", params={"email": email}, headers=after(renamed))

            assert [item["displayName"] for item in listed.json()["items"]] == ["Ada Lovelace"]
            assert [item["displayName"] for item in listed_again.json()["items"]] == [f"Number {number}"]
            assert int(listed.headers["log-position"]) >= registered.json()["position"]


class Crowd:
    """Others who register all the time."""

    def __init__(self, api: Api) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._register, args=(api,)) for _ in range(4)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _register(self, api: Api) -> None:
        while not self._stop.is_set():
            api.register()


def pages_of(caller: Caller, path: str, headers: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    """The items of each page, one page after the other."""
    cursor: str | None = ""
    while cursor is not None:
        page = caller.get(path + (f"&cursor={cursor}" if cursor else ""), headers=headers).json()
        yield page["items"]
        cursor = page["nextCursor"]


def after(response: httpx.Response) -> dict[str, str]:
    return {"Min-Log-Position": response.headers["log-position"]}
