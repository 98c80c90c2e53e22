"""One person's history cannot be read; everybody else's, asked for in the same moment, can."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from application.actors import Role
from tests.support.api import Api, refusal, serving
from tests.support.damage import DAMAGES, damage

ROUNDS = 6
INNOCENT = 12


@contextmanager
def forgetful(api: Api) -> Iterator[Api]:
    """Another process of the same service, which remembers nobody."""
    with serving(api.settings, api.conninfo) as other:
        yield other


def a_life(api: Api) -> str:
    """Somebody who was registered, renamed and has moved."""
    user_id = api.user_id()
    answer = api.admin.patch(f"/v1/users/{user_id}", {"displayName": "Bo", "country": "NO"})
    assert answer.status_code == 200
    return user_id


def lives_damaged(api: Api) -> dict[str, str]:
    """Somebody for each kind of damage."""
    people = {what: a_life(api) for what in DAMAGES}
    for what, user_id in people.items():
        damage(api.conninfo, user_id, what)
    return people


def test_many_innocent_requests_beside_every_kind_of_broken_user_are_all_answered(own_api: Api) -> None:
    broken = lives_damaged(own_api)
    innocent = [a_life(own_api) for _ in range(INNOCENT)]

    with forgetful(own_api) as api:
        told = asyncio.run(everything_at_once(api, list(broken.values()), innocent))

    assert {status for status, _ in told[True]} == {200}
    assert {status for status, _ in told[False]} == {409}
    assert {answer["code"] for _, answer in told[False]} == {"history_unreadable"}


async def everything_at_once(
    api: Api, broken: list[str], innocent: list[str]
) -> dict[bool, list[tuple[int, dict[str, Any]]]]:
    """What reads and commands come to, by whether they are about the innocent; a round is asked in one moment."""
    headers = {"Authorization": f"Bearer {api.admin.token}"}
    told: dict[bool, list[tuple[int, dict[str, Any]]]] = {True: [], False: []}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=60) as http:

        async def ask(user_id: str, number: int) -> None:
            reading = await http.get(f"/v1/users/{user_id}")
            command = await http.patch(f"/v1/users/{user_id}", json={"displayName": f"Name {number}"})
            told[user_id in innocent] += [(each.status_code, each.json()) for each in (reading, command)]

        for number in range(ROUNDS):
            await asyncio.gather(*(ask(user_id, number) for user_id in [*broken, *innocent]))
    return told


def test_nothing_is_recorded_about_people_whose_key_or_history_is_damaged(
    own_api: Api, subtests: pytest.Subtests
) -> None:
    people = lives_damaged(own_api)
    with forgetful(own_api) as api:
        before = api.changes()
        for what, user_id in people.items():
            with subtests.test(what=what):
                answers = [
                    api.admin.get(f"/v1/users/{user_id}"),
                    api.as_(Role.USER, user_id).get(f"/v1/users/{user_id}"),
                    api.admin.patch(f"/v1/users/{user_id}", {"displayName": "Cy"}),
                    api.admin.post(f"/v1/users/{user_id}/suspension", {"reason": "case 1"}),
                ]
                for answer in answers:
                    assert user_id not in refusal(answer, 409, "history_unreadable")["detail"]
                assert api.changes() == before
