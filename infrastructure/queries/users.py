"""One user: as of now, or as of any moment, always from the log itself."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from application.queries import Moment, UserAt
from application.recorded import Recorded
from application.user_diff import DiffIsBackwardsError, UserDiff, user_diff
from domain.users import User
from infrastructure.aggregates import Aggregates, play
from infrastructure.event_codec import decode
from infrastructure.log_reader import facts_from
from infrastructure.privacy.key_cache import SubjectKeys
from infrastructure.queries.opened_rows import open_with
from infrastructure.queries.read_model import Pool

_LIMITS = {
    "version": sql.SQL("version <= %(limit)s"),
    "position": sql.SQL('"position" <= %(limit)s'),
    "at": sql.SQL("recorded_at <= %(limit)s"),
}
_PAST = sql.SQL("""
SELECT topic, state, stream_id, version, recorded_at, "position" FROM log.event
WHERE stream_id = %(stream_id)s AND {limit} ORDER BY version
""")
_FACTS = sql.SQL("""
SELECT topic, state, stream_id, version, recorded_at, "position",
       actor, on_behalf_of, client, reason, command_id, correlation_id, causation_id, trace_id
FROM log.event WHERE stream_id = %(stream_id)s AND {limit} ORDER BY version
""")


class UserQueries:
    """One user at a time, as ports see it."""

    def __init__(self, pool: Pool, aggregates: Aggregates, keys: SubjectKeys) -> None:
        self._pool = pool
        self._keys = keys
        self._aggregates = aggregates

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        """The user as of now, for reading only, and the log position that this reflects."""
        return await self._aggregates.user(user_id)

    async def user_at(self, user_id: UUID, moment: Moment) -> UserAt | None:
        """The user as they were; None before they were registered, or for a version that was never reached."""
        rows = await self._past(user_id, moment)
        if not rows or (moment.version is not None and rows[-1][3] != moment.version):
            return None
        events = [decode(*row[:5]) for row in rows]
        if not isinstance(events[0], User.Event):
            return None  # the id is that of another kind of stream
        user: User = play(None, events)
        *_, version, recorded_at, position = rows[-1]
        return UserAt(user=user, version=version, position=position, recorded_at=recorded_at)

    async def diff(self, user_id: UUID, old: Moment, new: Moment) -> UserDiff | None:
        """What changed between two moments, the first of which may be before the user was registered (version 0).

        None if `user_at` is None for the second one, or for a version. Raises `DiffIsBackwardsError`.
        """
        # The first moment must not be judged by less than there was at it, so everything is read up to the later one.
        before, facts = await self._facts(user_id, old), await self._facts(user_id, new)
        if not facts or not isinstance(facts[0].event, User.Event):
            return None
        if not _is_reached(old, before) or not _is_reached(new, facts):
            return None
        if len(before) > len(facts):
            raise DiffIsBackwardsError
        return user_diff(facts, before[-1].event.originator_version if before else 0)

    async def _facts(self, user_id: UUID, moment: Moment) -> list[Recorded[Any]]:
        name, value = next((name, value) for name in _LIMITS if (value := getattr(moment, name)) is not None)
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_FACTS.format(limit=_LIMITS[name]), {"stream_id": user_id, "limit": value})
            rows = await cursor.fetchall()
        return facts_from(await open_with(self._keys, rows))

    async def _past(self, user_id: UUID, moment: Moment) -> list[tuple[Any, ...]]:
        name, value = next((name, value) for name in _LIMITS if (value := getattr(moment, name)) is not None)
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_PAST.format(limit=_LIMITS[name]), {"stream_id": user_id, "limit": value})
            rows = await cursor.fetchall()
        return await open_with(self._keys, rows)


def _is_reached(moment: Moment, facts: Sequence[Recorded[Any]]) -> bool:
    """Whether the user ever had the version that is meant, if one is."""
    last = facts[-1].event.originator_version if facts else 0
    return moment.version is None or moment.version == last
