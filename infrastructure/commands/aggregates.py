"""Aggregates, rebuilt from their streams; some kinds are kept in memory (bounded) between commands.

What is kept is never handed out: a command works on a copy, and only what was recorded comes back. A copy may be behind
the log when another process has written; see `infrastructure/commands/runner.py` for what that means.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.unreadable import HistoryUnreadableError
from domain.kernel import Aggregate, AggregateEvent
from infrastructure.bounded_cache import BoundedCache
from infrastructure.log.stream_loader import StreamLoader

AggregateT = TypeVar("AggregateT", bound=Aggregate)
StandIns = Mapping[type[Aggregate], Callable[[UUID], Awaitable[tuple[Any, int] | None]]]
"""By kind: finds what is known of one that cannot be read, and the log position that this reflects; None if nothing."""

CACHE_LIMIT = 20_000
"""Aggregates kept in memory by one process; a user takes about 2 kB."""


class AggregateCache:
    """The aggregates that were needed last, by id."""

    def __init__(self, limit: int = CACHE_LIMIT) -> None:
        self._kept = BoundedCache[UUID, Aggregate](limit)

    def get(self, kind: type[AggregateT], stream_id: UUID) -> AggregateT | None:
        """The kept aggregate itself: for reading, or to be copied."""
        kept = self._kept.get(stream_id)
        if not isinstance(kept, kind):
            return None
        self._kept.move_to_end(stream_id)
        return kept

    def keep(self, aggregate: Aggregate) -> None:
        """Remember this state, unless a later one is known."""
        kept = self._kept.get(aggregate.id)
        if kept is None or kept.version < aggregate.version:
            self._kept.put(aggregate.id, aggregate)

    def forget(self, stream_id: UUID) -> None:
        """Drop an aggregate."""
        self._kept.pop(stream_id, None)

    def __len__(self) -> int:
        return len(self._kept)


class Aggregates:
    """Aggregates as of now, or as last seen. Whatever reads them raises `HistoryUnreadableError`."""

    def __init__(
        self, streams: StreamLoader, cache: AggregateCache | None = None, stand_ins: StandIns | None = None
    ) -> None:
        self._streams = streams
        self._stand_ins = stand_ins or {}
        self.cache = AggregateCache() if cache is None else cache
        self._long_history = asyncio.Lock()

    async def find(self, kind: type[AggregateT], stream_id: UUID) -> tuple[AggregateT | None, int]:
        """The aggregate as of now, for reading only, and the log position that this reflects.

        None where its first event creates it and is not there, and where the stream is that of another kind.
        """
        try:
            return await self._readable(kind, stream_id)
        except HistoryUnreadableError:
            find = self._stand_ins.get(kind)
            found = await find(stream_id) if find else None
            if found is None:
                raise
            return found

    async def load(self, kind: type[AggregateT], stream_id: UUID) -> AggregateT:
        """The aggregate as of now, for reading only. Raises the kind's `NOT_FOUND`."""
        found, _ = await self.find(kind, stream_id)
        if found is None:
            raise kind.NOT_FOUND
        return found

    async def _readable(self, kind: type[AggregateT], stream_id: UUID) -> tuple[AggregateT | None, int]:
        kept = self.cache.get(kind, stream_id)
        tail = await self._streams.load(stream_id, kept.version if kept else 0)
        if not tail.events:
            return kept or kind.before_events(stream_id), tail.head
        if not isinstance(tail.events[0], kind.Event):
            return None, tail.head
        if not tail.may_go_on:
            return self._kept(play(_begun(kind, kept, stream_id), tail.events)), tail.head
        # One long history at a time: many who ask for the same one fold it once, and in turns with everybody else.
        async with self._long_history:
            return await self._read_on(kind, stream_id)

    async def _read_on(self, kind: type[AggregateT], stream_id: UUID) -> tuple[AggregateT, int]:
        """One with a long history, from what is in memory by now."""
        kept = self.cache.get(kind, stream_id)
        tail = await self._streams.load(stream_id, kept.version if kept else 0)
        if kept is not None and not tail.events:
            return kept, tail.head
        aggregate: AggregateT = play(_begun(kind, kept, stream_id), tail.events)
        while tail.may_go_on:
            tail = await self._streams.load(stream_id, aggregate.version)
            aggregate = play(aggregate, tail.events)
        return self._kept(aggregate), tail.head

    def _kept(self, aggregate: AggregateT) -> AggregateT:
        if aggregate.REMEMBERED:
            self.cache.keep(aggregate)
        return aggregate

    def remember(self, aggregates: Iterable[Aggregate], instant: datetime) -> None:
        """Keep those of kinds that are kept, whose new events were recorded at an instant of the log's clock.

        Until then they carry the time of this process; in memory they must equal their own replay.
        """
        for aggregate in aggregates:
            if aggregate.REMEMBERED:
                aggregate.modified_on = instant
                if aggregate.version == aggregate.INITIAL_VERSION:
                    aggregate._created_on = instant  # noqa: SLF001 - the library has no setter
                self.cache.keep(aggregate)


def _begun(kind: type[AggregateT], kept: AggregateT | None, stream_id: UUID) -> AggregateT | None:
    """What further events are played on: a copy of what is in memory."""
    return kept.twin() if kept else kind.before_events(stream_id)


def play(aggregate: AggregateT | None, events: Iterable[AggregateEvent]) -> AggregateT:
    """The aggregate after these events; it is changed in place. The first event makes it, if there is none yet.

    Raises `HistoryUnreadableError` at an event that does not follow from those before it.
    """
    for event in events:
        try:
            aggregate = event.mutate(aggregate)
        except Exception as error:
            kind = type(error).__name__
            raise HistoryUnreadableError(event.originator_id, event.originator_version, kind) from error
    if aggregate is None:
        msg = "a stream without events has no state"
        raise ValueError(msg)
    return aggregate
