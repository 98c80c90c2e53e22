"""The log in programs of one's own: typed, in order, all of it or a part; and the program in the guide works."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from psycopg.errors import InsufficientPrivilege

from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.register_user import register_user
from domain.users import User
from domain.users.email_claim import EmailClaim
from infrastructure.composition import open_service
from infrastructure.replay import Log, open_log
from infrastructure.settings import Settings
from tests.support.running import context, registration, settings_in

GUIDE = Path(__file__).parents[2] / "docs" / "replay.md"


@pytest.fixture
def settings(home: Path, database: str) -> Settings:
    return settings_in(home, REPRISE_DATABASE_URL=database)


@pytest.fixture
def users(settings: Settings, database: str) -> list[UUID]:
    """Three Swedes; the first has moved to Norway, the others to Norway and on to Denmark."""

    async def live() -> list[UUID]:
        async with open_service(settings, database) as service:
            saved = [await service.commands.run(register_user, registration(f"u{n}"), context()) for n in range(3)]
            ids = [user.aggregate_id for user in saved]
            for user_id, country in [*((user_id, "NO") for user_id in ids), *((user_id, "DK") for user_id in ids[1:])]:
                patch = ProfilePatch(country=country)
                await service.commands.run(change_profile, ChangeProfile(user_id=user_id, patch=patch), context())
            return ids

    return asyncio.run(live())


@pytest.fixture
def log(settings: Settings, users: list[UUID]) -> Iterator[Log]:
    with open_log(settings) as log:
        yield log


def test_everything_comes_in_order(log: Log) -> None:
    facts = list(log.facts())

    assert [fact.position for fact in facts] == list(range(1, log.head + 1))
    assert {fact.actor for fact in facts} == {"service:web"}


def test_facts_of_some_types_come_alone(log: Log) -> None:
    countries = [fact.event.country for fact in log.facts(User.CountryChanged)]

    assert countries == ["NO", "NO", "NO", "DK", "DK"]


def test_all_facts_of_an_aggregate_have_one_name(log: Log) -> None:
    of_users, of_claims = list(log.facts(User.Event)), list(log.facts(EmailClaim.Event))

    assert {fact.topic for fact in of_users} == {"user.registered", "user.country_changed"}
    assert {fact.topic for fact in of_claims} == {"email_claim.claimed"}
    assert len(of_users) + len(of_claims) == log.head


def test_a_range_of_positions_comes_alone(log: Log) -> None:
    assert [fact.position for fact in log.facts(after=3, upto=6)] == [4, 5, 6]
    assert list(log.facts(after=log.head)) == []
    assert [fact.position for fact in log.facts(after=log.head - 1, upto=10**9)] == [log.head]


def test_one_user_comes_alone_and_can_be_folded(log: Log, users: list[UUID]) -> None:
    user: User | None = None
    for fact in log.facts(stream=users[2]):
        user = fact.event.mutate(user)

    assert user is not None
    assert (user.id, user.country, user.version) == (users[2], "DK", 3)
    assert [fact.event.country for fact in log.facts(User.CountryChanged, stream=users[0])] == ["NO"]


def test_nothing_can_be_changed(log: Log) -> None:
    with pytest.raises(InsufficientPrivilege):
        log._connection.execute("DELETE FROM log.event")


def test_the_program_in_the_guide_works(settings: Settings, users: list[UUID], tmp_path: Path, database: str) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "REPRISE_HOME": str(settings.home),
        "REPRISE_DATABASE_URL": database,
    }

    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )

    assert (ended.stderr, ended.stdout) == ("", "NO -> DK by service: 2\nSE -> NO by service: 3\n")
