"""The timeline, searched: whatever is asked, it is what a naive search finds, in the order of the log."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from application.actors import Actor, Metadata, Role
from application.commands import CommandContext
from application.history.queries import AuditFilter, Timeline
from application.history.timeline import TimelineEntry
from application.history.topics import parse_topic
from application.ports import Service
from application.queries import PageRequest
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.register_user import register_user
from domain.ids import uuid7
from domain.values import SEALED
from infrastructure.composition import open_service
from infrastructure.history.timeline import BATCH
from tests.support.audited import append_events
from tests.support.running import follow_to_head, registration, settings_in

ACTORS = [Actor(Role.SERVICE, "web"), Actor(Role.SUPPORT, "carol"), Actor(Role.ADMIN, "dave")]
CORRELATIONS = [None, UUID(int=1), UUID(int=2)]
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


async def happenings(service: Service, people: int) -> None:
    """People whom several actors change, some of it in operations with a correlation id."""
    draw = random.Random(people)

    async def live(number: int) -> None:
        user_id = None
        for step in range(draw.randrange(2, 6)):
            metadata = Metadata(command_id=uuid7(), actor=draw.choice(ACTORS), correlation_id=draw.choice(CORRELATIONS))
            given = CommandContext(metadata=metadata)
            if user_id is None:
                user_id = (await service.commands.run(register_user, registration(f"u{number}"), given)).aggregate_id
                continue
            patch = ProfilePatch(country=["NO", "DK"][step % 2], locale=draw.choice(["sv-SE", "en-GB"]))
            await service.commands.run(change_profile, ChangeProfile(user_id=user_id, patch=patch), given)

    await asyncio.gather(*(live(number) for number in range(people)))


def questions(facts: list[TimelineEntry], count: int) -> Iterator[AuditFilter]:
    """Filters made of what some facts have, each asked for in half of them; often nothing fulfils all."""
    draw = random.Random(count)
    for _ in range(count):
        asked: dict[str, Any] = {}
        for name in ("actor", "user_id", "topic", "command_id", "correlation_id"):
            if draw.random() < 0.4:
                asked[name] = getattr(draw.choice(facts), name)
        earlier, later = sorted(draw.choice(facts).recorded_at for _ in range(2))
        shift = draw.choice([-MICROSECOND, timedelta(), MICROSECOND])
        if draw.random() < 0.4:
            asked["recorded_from"] = earlier + shift
        if draw.random() < 0.4:
            asked["recorded_to"] = later + shift
        yield AuditFilter(**asked)


def fulfils(fact: TimelineEntry, wanted: AuditFilter) -> bool:
    names = ("actor", "topic", "command_id", "correlation_id")
    given = ((getattr(fact, name), getattr(wanted, name)) for name in names)
    return (
        all(asked is None or value == asked for value, asked in given)
        and (wanted.user_id is None or wanted.user_id in {fact.user_id, *(fact.others or ())})
        and (wanted.recorded_from is None or fact.recorded_at >= wanted.recorded_from)
        and (wanted.recorded_to is None or fact.recorded_at < wanted.recorded_to)
    )


async def paged(service: Service, wanted: AuditFilter, limit: int) -> list[TimelineEntry]:
    found: list[TimelineEntry] = []
    request = PageRequest(limit=limit)
    while True:
        page = await service.using(Timeline).search(wanted, request)
        found += page.items
        if page.next_cursor is None:
            return found
        request = replace(request, cursor=page.next_cursor)


async def whole(service: Service, wanted: AuditFilter) -> list[TimelineEntry]:
    findings = await service.using(Timeline).all_of(wanted)
    return [entry async for batch in findings.batches for entry in batch]


def have_others(database: str, *, one_in: int) -> None:
    """Have some facts be about further people, too, as those are that have several ids."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            """
            UPDATE read_model.user_timeline_1 m SET others = (
                SELECT array_agg(DISTINCT o.user_id) FROM read_model.user_timeline_1 o
                WHERE o.user_id <> m.user_id AND mod(o."position", 30) = mod(m."position", 30)
            ) WHERE mod(m."position", %s) = 0
            """,
            (one_in,),
        )


async def test_every_search_finds_what_a_naive_one_finds(database: str, home: Path) -> None:
    async with open_service(settings_in(home), database) as service:
        await happenings(service, 60)
        await asyncio.to_thread(follow_to_head, database)
        await asyncio.to_thread(have_others, database, one_in=7)
        everything = await whole(service, AuditFilter())
        assert any(fact.others for fact in everything)
        assert [fact.position for fact in everything] == list(range(1, len(everything) + 1))

        for number, wanted in enumerate(questions(everything, 300)):
            expected = [fact for fact in everything if fulfils(fact, wanted)]
            assert await paged(service, wanted, limit=3 + number % 40) == expected, wanted
            assert await whole(service, wanted) == expected, wanted


@pytest.mark.parametrize(("instant", "expected"), [(FIRST, (5, 0)), (LAST, (0, 5))])
async def test_a_search_from_or_to_the_ends_of_time_finds_all_or_nothing(
    database: str, home: Path, instant: datetime, expected: tuple[int, int]
) -> None:
    append_events(database, 5)
    follow_to_head(database)
    async with open_service(settings_in(home), database) as service:
        since = await paged(service, AuditFilter(recorded_from=instant), 10)
        until = await paged(service, AuditFilter(recorded_to=instant), 10)

    assert (len(since), len(until)) == expected


async def test_what_is_recorded_while_it_is_read_is_not_part_of_it(database: str, home: Path) -> None:
    append_events(database, BATCH)
    follow_to_head(database)
    async with open_service(settings_in(home), database) as service:
        found = await service.using(Timeline).all_of(AuditFilter(topic=parse_topic("user.registered")))
        append_events(database, 5)
        follow_to_head(database)
        positions = [entry.position async for batch in found.batches for entry in batch]

    assert found.position == BATCH
    assert positions == list(range(1, BATCH + 1))


async def test_somebody_else_s_fact_is_in_one_s_timeline_without_what_is_personal_in_it(
    database: str, home: Path
) -> None:
    async with open_service(settings_in(home), database) as service:
        why = CommandContext(metadata=Metadata(command_id=uuid7(), actor=ACTORS[1], reason="Ada is a minor"))
        ada = (await service.commands.run(register_user, registration("ada"), why)).aggregate_id
        bob = (await service.commands.run(register_user, registration("bob"), why)).aggregate_id
        await asyncio.to_thread(follow_to_head, database)
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("UPDATE read_model.user_timeline_1 SET others = %s WHERE user_id = %s", ([bob], ada))

        timeline = await service.using(Timeline).of_user(bob, PageRequest(limit=10))
        hers = await service.using(Timeline).of_user(ada, PageRequest(limit=10))

    assert [(item.entry.user_id, item.entry.position) for item in timeline.items] == [
        (ada, 1),
        (ada, 2),
        (bob, 3),
        (bob, 4),
    ]
    about_ada, _, about_bob, _ = timeline.items
    assert about_ada.data is not None
    assert (about_ada.data["country"], about_ada.data["email"]) == ("SE", SEALED)
    assert (about_ada.entry.reason, about_bob.entry.reason) == (None, "Ada is a minor")
    assert about_bob.data is not None
    assert about_bob.data["email"] == "bob@example.com"
    assert [item.entry.reason for item in hers.items] == ["Ada is a minor"] * 2


async def test_rows_that_an_earlier_release_made_are_searched_while_they_are_made_again(
    database: str, home: Path
) -> None:
    """Its table has no column for further people."""
    append_events(database, 5)
    follow_to_head(database)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("ALTER TABLE read_model.user_timeline_1 DROP COLUMN others")
    async with open_service(settings_in(home), database) as service:
        everything = await whole(service, AuditFilter())
        (first, *_) = everything
        asked = [
            AuditFilter(user_id=first.user_id),
            AuditFilter(user_id=first.user_id, command_id=first.command_id),
            AuditFilter(user_id=first.user_id, topic=parse_topic("user.registered")),
        ]
        found = [await paged(service, wanted, 10) for wanted in asked]
        timeline = await service.using(Timeline).of_user(first.user_id, PageRequest(limit=10))

    assert len(everything) == 5
    assert found == [[first]] * 3
    assert [item.entry for item in timeline.items] == [first]
