"""One user: as of now, or as of any moment, always from the log itself."""

from typing import Any
from uuid import UUID

from psycopg import sql

from application.queries import Moment, UserAt
from domain.users import User
from infrastructure.aggregates import Aggregates, play
from infrastructure.event_codec import decode
from infrastructure.queries.read_model import Pool

_LIMITS = {
    "version": sql.SQL("version <= %(limit)s"),
    "position": sql.SQL('"position" <= %(limit)s'),
    "at": sql.SQL("recorded_at <= %(limit)s"),
}
_PAST = sql.SQL("""
SELECT topic, state, version, recorded_at, "position" FROM log.event
WHERE stream_id = %(stream_id)s AND {limit} ORDER BY version
""")


class UserQueries:
    """One user at a time, as ports see it."""

    def __init__(self, pool: Pool, aggregates: Aggregates) -> None:
        self._pool = pool
        self._aggregates = aggregates

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        """The user as of now, for reading only, and the log position that this reflects."""
        return await self._aggregates.user(user_id)

    async def user_at(self, user_id: UUID, moment: Moment) -> UserAt | None:
        """The user as they were; None before they were registered, or for a version that was never reached."""
        rows = await self._past(user_id, moment)
        if not rows or (moment.version is not None and rows[-1][2] != moment.version):
            return None
        events = [decode(topic, state, user_id, version, at) for topic, state, version, at, _ in rows]
        if not isinstance(events[0], User.Event):
            return None  # the id is that of another kind of stream
        user: User = play(None, events)
        *_, version, recorded_at, position = rows[-1]
        return UserAt(user=user, version=version, position=position, recorded_at=recorded_at)

    async def _past(self, user_id: UUID, moment: Moment) -> list[tuple[Any, ...]]:
        name, value = next((name, value) for name in _LIMITS if (value := getattr(moment, name)) is not None)
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_PAST.format(limit=_LIMITS[name]), {"stream_id": user_id, "limit": value})
            return await cursor.fetchall()
