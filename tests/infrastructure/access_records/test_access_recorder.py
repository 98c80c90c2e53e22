"""Access records: each reading on record once, whatever the log does meanwhile; and nobody ever waits for them."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from application.access_records.access_log import AccessEntry
from application.access_records.recording import Accesses, AccessFilter, AccessLog, Reader
from application.actors import Actor, Role
from application.commands import LogUnavailableError
from application.queries import PageRequest
from application.record_filters import parse_actor
from domain.access_records.access_record import AccessRecord, Reading
from domain.values import parse_access_purpose
from infrastructure.access_records.recorder import ITSELF, PEOPLE_LIMIT, AccessRecorder
from infrastructure.composition import open_service
from infrastructure.log.append import Commit, Outcome, OutcomeKind
from tests.support.running import follow_to_head, settings_in

CAROL = Actor(Role.SUPPORT, "carol", client="desk", on_behalf_of="desk")
TICKET = Reader(CAROL, parse_access_purpose("TICKET-4711"))
DAVE = Reader(Actor(Role.ADMIN, "dave"))


def people(count: int) -> list[uuid.UUID]:
    return [uuid.uuid4() for _ in range(count)]


class MoodyLog:
    """Takes what it is given, or fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.taken: list[Commit] = []
        self.attempts: list[Commit] = []
        self._something_happened = asyncio.Condition()

    async def commit(self, commit: Commit) -> Outcome:
        self.attempts.append(commit)
        try:
            return await self._take(commit)
        finally:
            async with self._something_happened:
                self._something_happened.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self._something_happened:
            await self._something_happened.wait_for(condition)

    async def _take(self, commit: Commit) -> Outcome:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(commit)
        return Outcome(OutcomeKind.APPENDED, len(self.taken), datetime.now(UTC))

    def events(self) -> list[Any]:
        return [event for commit in self.taken for event in commit.events]

    def people(self) -> list[uuid.UUID]:
        return [user_id for event in self.events() for user_id in getattr(event, "user_ids", ())]


async def entries(conninfo: str, home: Path, wanted: AccessFilter) -> list[AccessEntry]:
    await asyncio.to_thread(follow_to_head, conninfo)
    async with open_service(settings_in(home), conninfo) as service:
        return list((await service.using(AccessLog).page(wanted, PageRequest())).items)


async def test_who_read_whose_data_and_what_for_can_be_found_by_each_of_them(database: str, home: Path) -> None:
    ann, bob = people(2)
    async with open_service(settings_in(home), database) as service:
        service.using(Accesses).note(TICKET, Reading.PROFILE, [ann])
        service.using(Accesses).note(TICKET, Reading.LIST, [ann, bob])
        service.using(Accesses).note(DAVE, Reading.TIMELINE, [bob])

    everything = await entries(database, home, AccessFilter())
    of_ann = await entries(database, home, AccessFilter(user_id=ann))
    by_dave = await entries(database, home, AccessFilter(actor=parse_actor("admin:dave")))
    lists = await entries(database, home, AccessFilter(user_id=bob, reading=Reading.LIST))

    assert [entry.position for entry in everything] == [1, 2, 3]
    assert {entry.reading for entry in of_ann} == {"profile", "list"}
    assert {(e.actor, e.client, e.on_behalf_of, e.purpose) for e in of_ann} == {
        ("support:carol", "desk", "desk", "TICKET-4711")
    }
    assert [(entry.reading, entry.user_ids, entry.purpose) for entry in by_dave] == [("timeline", [bob], None)]
    assert [entry.user_ids for entry in lists] == [[ann, bob]]
    assert await entries(database, home, AccessFilter(user_id=uuid.uuid4())) == []
    assert await entries(database, home, AccessFilter(recorded_from=datetime.now(UTC))) == []


async def test_many_processes_record_readings_of_one_person_without_getting_into_each_others_way(
    database: str, home: Path
) -> None:
    (ann,) = people(1)
    readers = [Reader(Actor(Role.SUPPORT, f"agent-{number}")) for number in range(20)]

    async def one_process(some: Iterable[Reader]) -> None:
        async with open_service(settings_in(home), database) as service:
            for reader in some:
                service.using(Accesses).note(reader, Reading.PROFILE, [ann])

    await asyncio.gather(*(one_process(readers[number::4]) for number in range(4)))

    found = await entries(database, home, AccessFilter(user_id=ann))
    assert sorted(entry.actor or "" for entry in found) == sorted(str(reader.actor) for reader in readers)


async def test_the_same_reading_again_is_not_recorded_again() -> None:
    ann, bob = people(2)
    log = MoodyLog()

    async with AccessRecorder(log) as accesses:
        for _ in range(1_000):
            accesses.note(TICKET, Reading.PROFILE, [ann])
            accesses.note(TICKET, Reading.LIST, [ann, bob])
            accesses.note(Reader(CAROL), Reading.PROFILE, [ann])

    assert accesses.waiting == 0
    assert [(event.reading, event.purpose, event.user_ids) for event in log.events()] == [
        (Reading.PROFILE, "TICKET-4711", (ann,)),
        (Reading.LIST, "TICKET-4711", (ann, bob)),
        (Reading.PROFILE, None, (ann,)),
    ]


async def test_many_readings_stand_in_few_records_of_bounded_size() -> None:
    everybody = people(2 * PEOPLE_LIMIT + 1)
    log = MoodyLog()

    async with AccessRecorder(log) as accesses:
        for user_id in everybody:
            accesses.note(DAVE, Reading.PROFILE, [user_id])

    assert [len(event.user_ids) for event in log.events()] == [PEOPLE_LIMIT, PEOPLE_LIMIT, 1]
    assert log.people() == everybody
    assert {event.originator_version for event in log.events()} == {1}
    assert len({event.originator_id for event in log.events()}) == 3


async def test_an_export_is_recorded_by_its_query() -> None:
    log = MoodyLog()

    async with AccessRecorder(log) as accesses:
        for _ in range(3):
            accesses.note(DAVE, Reading.EXPORT, [], '{"topic":"user.suspended"}')

    (event,) = log.events()
    assert accesses.waiting == 0
    assert (event.reading, event.query, event.user_ids) == (Reading.EXPORT, '{"topic":"user.suspended"}', ())


async def test_what_the_log_does_not_take_now_is_the_same_command_when_it_is_tried_again() -> None:
    ann, bob = people(2)
    log = MoodyLog(LogUnavailableError(), psycopg.OperationalError("gone"))

    accesses = AccessRecorder(log, flush_seconds=0.01)
    await accesses.__aenter__()
    accesses.note(DAVE, Reading.PROFILE, [ann])
    await log.until(lambda: bool(log.attempts))
    accesses.note(DAVE, Reading.PROFILE, [bob])
    await log.until(lambda: len(log.taken) > 1)
    await accesses.__aexit__()

    assert log.people() == [ann, bob]
    assert log.attempts[0] == log.attempts[1] == log.attempts[2] == log.taken[0]
    assert (accesses.lost, accesses.waiting) == (0, 0)


async def test_what_is_too_much_to_wait_is_counted_and_the_count_is_recorded() -> None:
    everybody = people(15)
    log = MoodyLog()

    async with AccessRecorder(log, waiting_limit=10) as accesses:
        for user_id in everybody:
            accesses.note(DAVE, Reading.PROFILE, [user_id])
        assert accesses.waiting == 10

    (read, lost) = log.events()
    assert list(read.user_ids) == everybody[:10]
    assert isinstance(lost, AccessRecord.ReadingsLost)
    assert (lost.count, accesses.lost, log.taken[1].metadata.actor) == (5, 5, ITSELF)


async def test_a_record_that_cannot_be_stored_at_all_does_not_keep_the_others_out() -> None:
    ann, bob = people(2)
    log = MoodyLog(ValueError("never"))

    async with AccessRecorder(log) as accesses:
        accesses.note(DAVE, Reading.PROFILE, [ann])
        accesses.note(DAVE, Reading.STATE, [bob])

    read, lost = log.events()
    assert list(read.user_ids) == [bob]
    assert (lost.count, accesses.lost, accesses.waiting) == (1, 1, 0)


async def test_a_process_ends_though_the_log_takes_nothing() -> None:
    log = MoodyLog(*[LogUnavailableError()] * 1_000)

    async with AccessRecorder(log) as accesses:
        accesses.note(DAVE, Reading.PROFILE, people(3))

    assert (accesses.lost, accesses.waiting, log.taken) == (3, 0, [])
