"""Somebody of whose history something cannot be read: it is listed as such, and everything beside it is told."""

import io
import json
import zipfile
from typing import Any

import psycopg
import pytest

from application.actors import Role
from tests.api.history.test_unreadable_beside_readable import a_life, forgetful, lives_damaged
from tests.api.privacy.test_erasing_the_unreadable import follow
from tests.support.api import Api, Caller, refusal
from tests.support.damage import DAMAGES, damage

VERSION_OF = {
    "an unknown topic last": 3,
    "an unknown topic in between": 2,
    "a payload that does not fit": 3,
    "a garbled ciphertext": 2,
    "a garbled key": 1,
    "a missing key": 1,
}
"""The first version that cannot be read."""


def recorded(api: Api, user_id: str) -> dict[int, str]:
    """The topics of an account's own facts, by position."""
    with psycopg.connect(api.conninfo) as connection:
        query = 'SELECT "position", topic FROM log.event WHERE stream_id = %s'
        return dict(connection.execute(query, (user_id,)).fetchall())


def timeline(caller: Caller, user_id: str) -> list[dict[str, Any]]:
    """All of it, page by page."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = caller.get(f"/v1/users/{user_id}/events?limit=2{cursor}")
        assert page.status_code == 200, page.text
        items += page.json()["items"]
        if page.json()["nextCursor"] is None:
            return items
        cursor = f"&cursor={page.json()['nextCursor']}"


def test_the_timeline_lists_every_fact_and_says_which_cannot_be_read(own_api: Api, subtests: pytest.Subtests) -> None:
    people = lives_damaged(own_api)
    follow(own_api)

    with forgetful(own_api) as api:
        for what, user_id in people.items():
            with subtests.test(what=what):
                told = timeline(api.admin, user_id)
                own = timeline(api.as_(Role.USER, user_id), user_id)
                found = api.admin.get(f"/v1/audit/events?user={user_id}").json()["items"]

                facts = recorded(own_api, user_id)
                assert {item["position"]: item["topic"] for item in told if item["streamId"] == user_id} == facts
                assert {item["position"] for item in found} == {item["position"] for item in told}
                assert all(item["data"] == {} for item in told if item["unreadable"])
                if "version" not in what and "another kind" not in what:
                    assert any(item["unreadable"] for item in told)
                assert "invented" not in json.dumps(own)
                assert {item["position"] for item in own} <= facts.keys()


def test_state_and_diff_say_where_but_not_to_the_person(own_api: Api, subtests: pytest.Subtests) -> None:
    people = lives_damaged(own_api)
    with forgetful(own_api) as api:
        for what, version in VERSION_OF.items():
            with subtests.test(what=what):
                position = sorted(recorded(own_api, people[what]))[version - 1]
                path = f"/v1/users/{people[what]}"
                person = api.as_(Role.USER, people[what])
                for question in ("state?version=3", f"state?position={api.head()}", "diff?from=0", "diff?from=0&to=3"):
                    told = refusal(api.admin.get(f"{path}/{question}"), 409, "history_unreadable")
                    assert f"position {position}, version {version} " in told["detail"]
                    told = refusal(person.get(f"{path}/{question}"), 409, "history_unreadable")
                    assert "position" not in told["detail"]
                before = api.admin.get(f"{path}/state?version={max(1, version - 1)}")
                assert before.status_code == (200 if version > 1 else 409)


def test_people_get_what_can_be_read_of_their_data(own_api: Api, subtests: pytest.Subtests) -> None:
    people = lives_damaged(own_api)
    with forgetful(own_api) as api:
        links = {
            what: api.as_(Role.USER, user_id).post(f"/v1/users/{user_id}/export") for what, user_id in people.items()
        }
        follow(own_api)
        for what, link in links.items():
            with subtests.test(what=what):
                assert link.status_code == 201, link.text
                package = api.with_token(None).get(link.json()["url"])
                assert package.status_code == 200, package.text
                check_package(package.content)


def check_package(content: bytes) -> None:
    """It has what can be read, and says that something is missing."""
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        told = {name: json.loads(files.read(name)) for name in ("package.json", "profile.json", "timeline.json")}
        page = files.read("index.html").decode()
    assert (told["profile.json"], told["package.json"]["complete"]) == (None, False)
    assert {fact["topic"] for fact in told["timeline.json"]} & {"user.registered", "user.country_changed"}
    assert "cannot be read" in page
    assert "invented" not in page


def test_one_unreadable_person_fails_nobody_else_s_search(own_api: Api) -> None:
    broken = {a_life(own_api): what for what in DAMAGES}
    innocent = a_life(own_api)
    for user_id in [innocent, *broken]:
        reason = {"Reprise-Reason": f"case of {user_id}"}
        assert own_api.admin.patch(f"/v1/users/{user_id}", {"locale": "sv-SE"}, headers=reason).status_code == 200
    for user_id, what in broken.items():
        damage(own_api.conninfo, user_id, what)
    follow(own_api)

    with forgetful(own_api) as api:
        found = api.admin.get("/v1/audit/events?topic=user.locale_changed&limit=100")
        of_actor = api.admin.get("/v1/audit/events?actor=admin:root&limit=200")
        exported = api.admin.get("/v1/audit/events/export")

    reasons = {item["userId"]: item["reason"] for item in found.json()["items"]}
    assert reasons[innocent] == f"case of {innocent}"
    unreadable = {what for user_id, what in broken.items() if reasons[user_id] == "[unreadable]"}
    assert unreadable == {what for what in DAMAGES if "key" in what}
    lines = exported.text.splitlines()
    assert sum("user.invented" in line for line in lines) == sum("unknown topic" in what for what in DAMAGES)
    assert [item["position"] for item in of_actor.json()["items"]] == [json.loads(line)["position"] for line in lines]
