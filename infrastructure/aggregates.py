"""Aggregates, rebuilt from their streams and kept in memory (bounded) between commands.

What is kept is never handed out: a command works on a copy, and only what was recorded comes back. A copy may be behind
the log when another process has written; see `infrastructure/platform.py` for what that means.
"""

import copy
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from domain.email_claims import EmailClaim
from domain.kernel import Aggregate, AggregateCreated, AggregateEvent
from domain.users import User
from infrastructure.streams import StreamLoader

AggregateT = TypeVar("AggregateT", bound=Aggregate)

CACHE_LIMIT = 20_000
"""Aggregates kept in memory by one process; a user takes about 2 kB."""


class AggregateCache:
    """The aggregates used last, by id."""

    def __init__(self, limit: int = CACHE_LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[UUID, Aggregate] = OrderedDict()

    def get(self, aggregate_id: UUID) -> Aggregate | None:
        """The kept aggregate itself: for reading, or to be copied."""
        kept = self._kept.get(aggregate_id)
        if kept is not None:
            self._kept.move_to_end(aggregate_id)
        return kept

    def keep(self, aggregate: Aggregate) -> None:
        """Remember this state, unless a later one is known."""
        kept = self._kept.get(aggregate.id)
        if kept is not None and kept.version >= aggregate.version:
            return
        self._kept[aggregate.id] = aggregate
        self._kept.move_to_end(aggregate.id)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


class Aggregates:
    """Users and claims as of now, or as last seen."""

    def __init__(self, streams: StreamLoader, cache: AggregateCache | None = None) -> None:
        self._streams = streams
        self.cache = cache or AggregateCache()

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        """The user as of now, for reading only, and the log position that this reflects."""
        kept = self.cache.get(user_id)
        kept = kept if isinstance(kept, User) else None
        tail = await self._streams.load(user_id, kept.version if kept else 0)
        if not tail.events:
            return kept, tail.head
        if not isinstance(tail.events[0], User.Event):
            return None, tail.head  # the id is that of another kind of stream
        user: User = play(copy_of(kept) if kept else None, tail.events)
        self.cache.keep(user)
        return user, tail.head

    async def email_claim(self, claim_id: UUID) -> EmailClaim:
        """The claim as of now, for reading only."""
        kept = self.cache.get(claim_id)
        claim = kept if isinstance(kept, EmailClaim) else EmailClaim.vacant(claim_id)
        tail = await self._streams.load(claim_id, claim.version)
        if tail.events:
            claim = play(copy_of(claim), tail.events)
            self.cache.keep(claim)
        return claim

    def remember(self, aggregates: Iterable[Aggregate], recorded: Sequence[AggregateEvent], instant: datetime) -> None:
        """Keep aggregates whose new events were recorded at an instant of the log's clock.

        Until then they carry the time of this process; in memory they must equal their own replay.
        """
        changed = {event.originator_id for event in recorded}
        created = {event.originator_id for event in recorded if isinstance(event, AggregateCreated)}
        for aggregate in aggregates:
            if aggregate.id in changed:
                aggregate.modified_on = instant
            if aggregate.id in created:
                aggregate._created_on = instant  # noqa: SLF001 - the library has no setter
            if aggregate.version:
                self.cache.keep(aggregate)


def play(aggregate: AggregateT | None, events: Iterable[AggregateEvent]) -> AggregateT:
    """The aggregate after these events; it is changed in place. The first event makes it, if there is none yet."""
    for event in events:
        aggregate = event.mutate(aggregate)
    if aggregate is None:
        msg = "a stream without events has no state"
        raise ValueError(msg)
    return aggregate


def copy_of(aggregate: AggregateT) -> AggregateT:
    """An aggregate with the same state that can be changed by itself: states hold immutable values only."""
    twin = copy.copy(aggregate)
    twin._pending_events = []  # noqa: SLF001 - the library shares this list between copies
    return twin
