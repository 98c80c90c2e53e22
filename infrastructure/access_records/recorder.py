"""Records that personal data was read: after the answer, together with what else was read, without anybody waiting.

Readings wait in memory, by reader, and go to the log at most once in `FLUSH_SECONDS`. While the log takes nothing they
go on waiting, up to a bound; what comes on top of that is counted, and the count is recorded as soon as it can be. Only
a process that is killed loses what waits without a trace (docs/decisions/0015-access-records.md).
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, Self
from uuid import UUID

import msgspec
import structlog

from application.access_records.recording import Reader
from application.actors import Actor, Metadata, Role
from application.commands import LogUnavailableError
from domain.access_records.access_record import AccessRecord, Reading
from domain.ids import uuid7
from domain.kernel import AggregateEvent
from infrastructure.log.append import Commit, Outcome, OutcomeKind
from infrastructure.postgres.unavailability import is_unavailable

FLUSH_SECONDS = 1.0
"""How long readings wait for others, and for another try; what a killed process loses."""
SAME_SECONDS = 60.0
"""For how long the same reading of the same data counts as one."""
WAITING_LIMIT = 100_000
"""Readings that may wait while the log takes nothing: some twenty megabytes."""
REMEMBERED_LIMIT = 50_000
"""Readings that are remembered in order not to be recorded again."""
PEOPLE_LIMIT = 500
"""People in one record; a record is some twenty kilobytes then."""

ITSELF = Actor(Role.SYSTEM, "access-records")
log = structlog.get_logger(__name__)


class Commits(Protocol):
    """The way into the log."""

    def commit(self, commit: Commit) -> Awaitable[Outcome]:
        """Append. Raises `LogUnavailableError`."""
        ...


class _Kind(NamedTuple):
    """What readings have in common that can stand in one record."""

    reader: Reader
    reading: Reading
    query: str | None


class _Readings(msgspec.Struct):
    """Readings of one kind that wait."""

    first_at: datetime
    user_ids: list[UUID]
    count: int = 0


class _Entry(NamedTuple):
    """What is on its way to the log, and how many readings that is."""

    commit: Commit
    readings: int


class AccessRecorder:
    """The readings of one process, on their way to the log."""

    def __init__(
        self, commits: Commits, waiting_limit: int = WAITING_LIMIT, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self.lost = 0
        """Readings that could not be recorded."""
        self._commits = commits
        self._waiting_limit = waiting_limit
        self._flush_seconds = flush_seconds
        self._waiting: dict[_Kind, _Readings] = {}
        self._count = 0
        self._remembered: dict[_Kind, set[UUID]] = {}
        self._remembered_count = 0
        self._forget_at = 0.0
        self._untold: _Loss | None = None
        self._something_waits = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._record_for_ever(), name="access-recorder")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Record what waits, then stop."""
        self._closing.set()
        self._something_waits.set()
        if self._task:
            await self._task

    @property
    def waiting(self) -> int:
        """Readings that are not in the log yet."""
        return self._count

    def note(self, reader: Reader, reading: Reading, user_ids: Iterable[UUID], query: str | None = None) -> None:
        """Record that a reader got data of these people, or what a query finds."""
        kind = _Kind(reader, reading, query)
        remembered = self._remembered_of(kind)
        new = [user_id for user_id in user_ids if user_id not in remembered or query is not None]
        if not new and query is None:
            return
        count = max(1, len(new))
        if self._count + count > self._waiting_limit:
            self._lose(count)
            return
        remembered.update(new)
        self._remembered_count += len(new)
        waiting = self._waiting.get(kind)
        if waiting is None:
            waiting = self._waiting[kind] = _Readings(datetime.now(UTC), [])
            self._something_waits.set()
        waiting.user_ids += new
        waiting.count += count
        self._count += count

    def _remembered_of(self, kind: _Kind) -> set[UUID]:
        now = time.monotonic()
        if now > self._forget_at or self._remembered_count > REMEMBERED_LIMIT:
            self._remembered.clear()
            self._remembered_count = 0
            self._forget_at = now + SAME_SECONDS
        return self._remembered.setdefault(kind, set())

    def _lose(self, readings: int) -> None:
        self.lost += readings
        if self._untold is None:
            log.error("access_records.lost")
            self._untold = _Loss(datetime.now(UTC), 0)
            self._something_waits.set()
        self._untold.count += readings

    async def _record_for_ever(self) -> None:
        while True:
            await self._something_waits.wait()
            await self._pause()
            self._something_waits.clear()
            await self._record(list(self._taken()))
            if self._closing.is_set():
                await self._record(list(self._taken()))  # what was lost meanwhile
                return

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._flush_seconds)

    def _taken(self) -> Iterator[_Entry]:
        """What waits, as records."""
        waiting, self._waiting = self._waiting, {}
        untold, self._untold = self._untold, None
        for kind, readings in waiting.items():
            yield _entry(kind, readings)
        if untold is not None:
            yield _loss(untold)

    async def _record(self, entries: Sequence[_Entry]) -> None:
        """Append, again and again while the log takes nothing; each has its command id, so none is there twice."""
        while entries:
            outcomes = await asyncio.gather(*(self._commits.commit(e.commit) for e in entries), return_exceptions=True)
            left = [entry for entry, outcome in zip(entries, outcomes, strict=True) if self._is_left(entry, outcome)]
            if left and self._closing.is_set():
                self._give_up(left)
                return
            entries = left
            if left:
                await self._pause()

    def _is_left(self, entry: _Entry, outcome: Outcome | BaseException) -> bool:
        """Whether to try again; else it is recorded, or never will be."""
        if isinstance(outcome, LogUnavailableError) or is_unavailable(outcome):
            return True
        self._count -= entry.readings
        if isinstance(outcome, BaseException) or outcome.kind not in {OutcomeKind.APPENDED, OutcomeKind.RECORDED}:
            log.error("access_records.refused", error=type(outcome).__name__)
            self._lose(entry.readings)
        return False

    def _give_up(self, entries: Sequence[_Entry]) -> None:
        """The process ends, and the log takes nothing."""
        for entry in entries:
            self._count -= entry.readings
            if entry.readings:
                self._lose(entry.readings)


class _Loss(msgspec.Struct):
    """Readings that are not on record."""

    first_at: datetime
    count: int


def _entry(kind: _Kind, readings: _Readings) -> _Entry:
    people = readings.user_ids
    events = [
        event
        for begin in range(0, max(1, len(people)), PEOPLE_LIMIT)
        for event in _people_read(kind, readings.first_at, people[begin : begin + PEOPLE_LIMIT])
    ]
    metadata = Metadata(command_id=uuid7(), actor=kind.reader.actor)
    return _Entry(Commit(metadata=metadata, events=events), readings.count)


def _people_read(kind: _Kind, first_at: datetime, people: Sequence[UUID]) -> Sequence[AggregateEvent]:
    record = AccessRecord.blank(uuid7())
    record.people_read(kind.reading, first_at, tuple(people), kind.reader.purpose, kind.query)
    return record.collect_events()


def _loss(loss: _Loss) -> _Entry:
    record = AccessRecord.blank(uuid7())
    record.readings_lost(loss.count, loss.first_at)
    commit = Commit(metadata=Metadata(command_id=uuid7(), actor=ITSELF), events=record.collect_events())
    return _Entry(commit, 0)
