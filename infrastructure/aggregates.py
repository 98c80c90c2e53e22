"""Aggregates, rebuilt from their streams; users are kept in memory (bounded) between commands.

What is kept is never handed out: a command works on a copy, and only what was recorded comes back. A copy may be behind
the log when another process has written; see `infrastructure/platform.py` for what that means.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from application.unreadable import HistoryUnreadableError
from domain.email_claims import EmailClaim
from domain.kernel import Aggregate, AggregateEvent
from domain.users import User
from infrastructure.streams import StreamLoader, StreamTail
from infrastructure.unread_users import UnreadUsers

AggregateT = TypeVar("AggregateT", bound=Aggregate)

CACHE_LIMIT = 20_000
"""Users kept in memory by one process; one takes about 2 kB."""


class UserCache:
    """The users that were needed last, by id."""

    def __init__(self, limit: int = CACHE_LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[UUID, User] = OrderedDict()

    def get(self, user_id: UUID) -> User | None:
        """The kept user itself: for reading, or to be copied."""
        kept = self._kept.get(user_id)
        if kept is not None:
            self._kept.move_to_end(user_id)
        return kept

    def keep(self, user: User) -> None:
        """Remember this state, unless a later one is known."""
        kept = self._kept.get(user.id)
        if kept is not None and kept.version >= user.version:
            return
        # One that is there has just been used, and is the last already; a new one becomes it.
        self._kept[user.id] = user
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def forget(self, user_id: UUID) -> None:
        """Drop a user."""
        self._kept.pop(user_id, None)

    def __len__(self) -> int:
        return len(self._kept)


class Aggregates:
    """Users and claims as of now, or as last seen. Whatever reads them raises `HistoryUnreadableError`."""

    def __init__(self, streams: StreamLoader, cache: UserCache | None = None) -> None:
        self._streams = streams
        self.unread = UnreadUsers(streams.pool)
        self.cache = UserCache() if cache is None else cache
        self._long_history = asyncio.Lock()

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        """The user as of now, for reading only, and the log position that this reflects.

        Of somebody who was erased no more is known if they cannot be read, and no more is asked.
        """
        try:
            return await self._readable_user(user_id)
        except HistoryUnreadableError:
            user, head = await self.unread.user(user_id)
            if user is None or not user.erased:
                raise
            return user, head

    async def _readable_user(self, user_id: UUID) -> tuple[User | None, int]:
        kept = self.cache.get(user_id)
        tail = await self._streams.load(user_id, kept.version if kept else 0)
        if not tail.events:
            return kept, tail.head
        if not isinstance(tail.events[0], User.Event):
            return None, tail.head  # the id is that of another kind of stream
        if not tail.may_go_on:
            user: User = play(kept.twin() if kept else None, tail.events)
            self.cache.keep(user)
            return user, tail.head
        # One long history at a time: many who ask for the same one fold it once, and in turns with everybody else.
        async with self._long_history:
            return await self._read_on(user_id)

    async def _read_on(self, user_id: UUID) -> tuple[User, int]:
        """A user with a long history, from what is in memory by now."""
        kept = self.cache.get(user_id)
        tail = await self._streams.load(user_id, kept.version if kept else 0)
        if kept is not None and not tail.events:
            return kept, tail.head
        user, head = await self._played(kept.twin() if kept else None, tail)
        self.cache.keep(user)
        return user, head

    async def email_claim(self, claim_id: UUID) -> EmailClaim:
        """The claim as of now.

        It is not kept: that an address is taken is never believed without asking, and nearly all that are asked for
        are free.
        """
        claim, _ = await self.email_claim_at_head(claim_id)
        return claim

    async def email_claim_at_head(self, claim_id: UUID) -> tuple[EmailClaim, int]:
        """The claim as of now, and the log position that this reflects."""
        return await self._played(EmailClaim.vacant(claim_id), await self._streams.load(claim_id))

    async def _played(self, aggregate: AggregateT | None, tail: StreamTail) -> tuple[AggregateT, int]:
        """An aggregate after a tail of its stream and all that follows it, and the log position that this reflects."""
        aggregate = play(aggregate, tail.events)
        while tail.may_go_on:
            tail = await self._streams.load(aggregate.id, aggregate.version)
            aggregate = play(aggregate, tail.events)
        return aggregate, tail.head

    def remember(self, aggregates: Iterable[Aggregate], instant: datetime) -> None:
        """Keep users whose new events were recorded at an instant of the log's clock.

        Until then they carry the time of this process; in memory they must equal their own replay.
        """
        for user in aggregates:
            if isinstance(user, User):
                user.modified_on = instant
                if user.version == User.INITIAL_VERSION:
                    user._created_on = instant  # noqa: SLF001 - the library has no setter
                self.cache.keep(user)


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
