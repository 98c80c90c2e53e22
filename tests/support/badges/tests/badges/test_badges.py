"""A badge from URL to erasure: what a new area gets without a line of the engine."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID
from zipfile import ZipFile

import psycopg
import pytest

from application.actors import Role
from application.badges.badges import BADGES
from application.badges.withdraw_badge import WithdrawBadge, withdraw_badge
from domain.badges.badge import Badge
from domain.values import ERASED, SEALED
from infrastructure.composition import open_service
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.projections.rebuild.rebuilding import rebuild
from infrastructure.replay import open_log
from tests.support.api import Api, serving
from tests.support.cli import CommandLine
from tests.support.read_models import replayed_rows, rows_of
from tests.support.running import context, follow_to_head, settings_in

WORDS = "For the song about Lovelace"


@pytest.fixture
def api(database: str, home: Path) -> Iterator[Api]:
    with serving(settings_in(home), database) as running:
        yield running


def test_a_badge_lives_in_the_house(api: Api, database: str, home: Path) -> None:
    ada, bob = api.user_id(), api.user_id()
    awarded = api.admin.post(f"/v1/users/{ada}/badges", {"giverId": bob, "words": WORDS})
    assert awarded.status_code == 201, awarded.text
    badge_id = awarded.json()["badgeId"]
    assert awarded.json()["version"] == 1
    follow_to_head(database)

    # Queries: the read model by URL and on the command line, which says what the log says after a rebuild, too.
    shown = {"badgeId": badge_id, "giverId": bob, "withdrawn": False}
    assert api.admin.get(f"/v1/users/{ada}/badges").json() == {"items": [shown]}
    assert CommandLine(home, database).call("badges", ada).json == {"items": [shown]}
    rebuild(as_projector(embedded_as(Login.WORKER, database)), BADGES)
    assert rows_of(database, BADGES) == replayed_rows(database, BADGES)

    # The timelines of both, the words only for whom they are about.
    mine, theirs = fact_in(api, ada, "badge.awarded"), fact_in(api, bob, "badge.awarded")
    assert (mine["userId"], theirs["userId"]) == (ada, ada)
    assert (mine["data"]["words"], theirs["data"]["words"]) == (WORDS, SEALED)
    assert WORDS in package_of(api, ada)
    assert WORDS not in package_of(api, bob)
    assert "badge.awarded" in package_of(api, bob)

    # Commands on it; the replay; nothing personal in clear.
    assert asyncio.run(withdrawn_twice(database, home, UUID(badge_id))) == [2, 2]
    follow_to_head(database)
    assert words_in_log(database, home) == [WORDS]
    assert is_nowhere_in_clear(database)

    # Erasure.
    assert api.admin.post(f"/v1/users/{ada}/erasure", {"reason": "Asked for it"}).status_code == 200
    follow_to_head(database)
    assert words_in_log(database, home) == [ERASED]
    assert fact_in(api, bob, "badge.awarded")["data"]["words"] in {SEALED, ERASED}
    topics = [fact["topic"] for fact in timeline(api, bob)]
    assert [topic for topic in topics if topic.startswith("badge.")] == ["badge.awarded", "badge.withdrawn"]
    assert rows_of(database, BADGES) == replayed_rows(database, BADGES)
    assert api.admin.post(f"/v1/users/{ada}/badges", {"giverId": bob, "words": WORDS}).status_code == 410


def test_a_refusal_of_the_area_is_a_problem_document(api: Api) -> None:
    ada = api.user_id()

    answer = api.admin.post(f"/v1/users/{ada}/badges", {"giverId": str(UUID(int=7)), "words": WORDS})

    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


async def withdrawn_twice(database: str, home: Path, badge_id: UUID) -> list[int]:
    async with open_service(settings_in(home), embedded_as(Login.API, database)) as service:
        command = WithdrawBadge(badge_id=badge_id)
        return [(await service.commands.run(withdraw_badge, command, context())).version for _ in range(2)]


def timeline(api: Api, user_id: str) -> list[dict]:  # type: ignore[type-arg]
    return api.as_(Role.ADMIN, "root").get(f"/v1/users/{user_id}/events?limit=100").json()["items"]


def fact_in(api: Api, user_id: str, topic: str) -> dict:  # type: ignore[type-arg]
    (found,) = [fact for fact in timeline(api, user_id) if fact["topic"] == topic]
    return found


def package_of(api: Api, user_id: str) -> str:
    link = api.admin.post(f"/v1/users/{user_id}/export").json()["url"]
    follow_to_head(api.conninfo)
    with ZipFile(io.BytesIO(api.with_token(None).get(link).content)) as package:
        return json.dumps([package.read(name).decode() for name in package.namelist() if name.endswith(".json")])


def words_in_log(database: str, home: Path) -> list[str]:
    settings = settings_in(home, REPRISE_DATABASE_URL=embedded_as(Login.API, database))
    with open_log(settings) as log:
        return [fact.event.words for fact in log.facts(Badge.Awarded)]


def is_nowhere_in_clear(database: str) -> bool:
    with psycopg.connect(database) as owner:
        query = "SELECT count(*) FROM log.event WHERE position(%s::bytea IN state) > 0"
        return owner.execute(query, (WORDS.encode(),)).fetchone() == (0,)
