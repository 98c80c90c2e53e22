"""One user: as of now, or as of any moment, always from the log itself."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from application.recorded import Recorded
from application.unreadable import HistoryUnreadableError, mutated
from application.users.diff import Comparison, DiffIsBackwardsError, UserDiff
from application.users.queries import Moment, UserAt
from domain.users import User
from infrastructure.commands.aggregates import Aggregates
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.log.opened_rows import open_with
from infrastructure.log.reader import PoisonEventError, facts_from
from infrastructure.log.stream_loader import PIECE
from infrastructure.queries.read_model import Pool

_LIMITS = {
    "version": sql.SQL("version <= %(limit)s"),
    "position": sql.SQL('"position" <= %(limit)s'),
    "at": sql.SQL("recorded_at <= %(limit)s"),
}
_FACT = sql.SQL('topic, state, stream_id, version, recorded_at, "position"')
_WITH_METADATA = _FACT + sql.SQL(
    ", actor, on_behalf_of, client, reason, command_id, correlation_id, causation_id, trace_id"
)
_PIECE = sql.SQL("""
SELECT {columns} FROM log.event
WHERE stream_id = %(stream_id)s AND version > %(after)s AND {limit} ORDER BY version LIMIT %(count)s
""")
_LAST_VERSION = sql.SQL("""
SELECT version FROM log.event WHERE stream_id = %(stream_id)s AND {limit} ORDER BY version DESC LIMIT 1
""")
_STREAM_ID, _VERSION, _POSITION = 2, 3, 5


class UserQueries:
    """One user at a time, as ports see it."""

    def __init__(self, pool: Pool, aggregates: Aggregates, keys: SubjectKeys) -> None:
        self._pool = pool
        self._keys = keys
        self._aggregates = aggregates

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        """The user as of now, for reading only, and the log position that this reflects."""
        return await self._aggregates.find(User, user_id)

    async def user_at(self, user_id: UUID, moment: Moment) -> UserAt | None:
        """The user as they were; None before they were registered, or for a version that was never reached.

        Raises `HistoryUnreadableError` if an event by then cannot be read.
        """
        user: User | None = None
        last: tuple[Any, ...] = ()
        async for rows in self._pieces(user_id, moment, _FACT):
            facts = _facts(rows)
            if user is None and not isinstance(facts[0].event, User.Event):
                return None  # the id is that of another kind of stream
            for fact in facts:
                user = mutated(user, fact.event, fact.position)
            last = rows[-1]
        if user is None or (moment.version is not None and last[_VERSION] != moment.version):
            return None
        *_, version, recorded_at, position = last
        return UserAt(user=user, version=version, position=position, recorded_at=recorded_at)

    async def diff(self, user_id: UUID, old: Moment, new: Moment) -> UserDiff | None:
        """What changed between two moments, the first of which may be before the user was registered (version 0).

        None if `user_at` is None for the second one, or for a version. Raises `DiffIsBackwardsError`, and
        `HistoryUnreadableError` if an event by the second one cannot be read.
        """
        # The first moment must not be judged by less than there was at it, so it is looked at first.
        before = await self._version_at(user_id, old)
        comparison = Comparison(before)
        async for rows in self._pieces(user_id, new, _WITH_METADATA):
            facts = _facts(rows)
            if not isinstance(facts[0].event, User.Event):
                return None
            comparison.add(facts)
        if not comparison.version or not _is_reached(old, before) or not _is_reached(new, comparison.version):
            return None
        if before > comparison.version:
            raise DiffIsBackwardsError
        return comparison.difference()

    async def _version_at(self, user_id: UUID, moment: Moment) -> int:
        """That of the last fact by a moment; 0 if there was none."""
        name, value = _bound(moment)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                _LAST_VERSION.format(limit=_LIMITS[name]), {"stream_id": user_id, "limit": value}
            )
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def _pieces(
        self, user_id: UUID, moment: Moment, columns: sql.Composable
    ) -> AsyncIterator[list[tuple[Any, ...]]]:
        """The rows of all facts by a moment, opened, in pieces: long histories keep nobody else waiting."""
        name, value = _bound(moment)
        query = _PIECE.format(columns=columns, limit=_LIMITS[name])
        after, rows = -1, list[tuple[Any, ...]]()
        while after < 0 or len(rows) == PIECE:
            parameters = {"stream_id": user_id, "limit": value, "after": after, "count": PIECE}
            async with self._pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(query, parameters)
                rows = await cursor.fetchall()
            if not rows:
                return
            after = rows[-1][_VERSION]
            yield await open_with(self._keys, rows)


def _facts(rows: Sequence[tuple[Any, ...]]) -> list[Recorded[Any]]:
    """Rows of one stream as events. Raises `HistoryUnreadableError`."""
    try:
        return facts_from(rows)
    except PoisonEventError as poison:
        row = next(row for row in rows if row[_POSITION] == poison.position)
        raise HistoryUnreadableError(row[_STREAM_ID], row[_VERSION], poison.kind, poison.position) from None


def _bound(moment: Moment) -> tuple[str, Any]:
    """How a moment is given, and its value."""
    return next((name, value) for name in _LIMITS if (value := getattr(moment, name)) is not None)


def _is_reached(moment: Moment, version: int) -> bool:
    """Whether the user ever had the version that is meant, if one is; the last one by the moment is given."""
    return moment.version is None or moment.version == version
