"""What is known of users without reading their events: by positions, topics and the facts about addresses.

It takes as little as that to erase somebody (docs/decisions/0037-unreadable-histories.md).
"""

from collections.abc import Sequence
from uuid import UUID

from psycopg import sql

from application.history.timeline import USER_TIMELINE, TimelineRow
from application.queries import AS_IT_IS, PositionNotReachedError
from domain import errors
from domain.kernel import event_types
from domain.users import User
from domain.users.email_claim import EmailClaim
from infrastructure.queries.read_model import Lists, Pool, ReadModel, Selection

_TOPICS = [event.TOPIC for event in event_types(User)]  # type: ignore[attr-defined] # every event of ours has one
# Nobody but users has a key and a stream.
_STANDING = """
SELECT max(version), bool_or(topic = %(erased)s),
       bool_or(topic = ANY (%(known)s) OR EXISTS (SELECT FROM keys.subject_key WHERE subject_id = stream_id)),
       (SELECT "position" FROM log.head)
FROM log.event WHERE stream_id = %(user_id)s
"""
_CLAIMED: sql.SQL = sql.SQL("WHERE m.user_id = %(user_id)s AND m.topic = %(topic)s")
# Facts about addresses say whose they are in clear.
_CLAIMED_SINCE = """
SELECT DISTINCT stream_id FROM log.event
WHERE "position" > %(position)s AND topic = %(topic)s AND position(%(named)s::bytea IN state) > 0
"""


class UnreadUsersInLog:
    """Users who cannot be read; the port `application.users.unread_users.UnreadUsers`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._timeline = ReadModel(Lists(pool, 0.0), USER_TIMELINE, TimelineRow)

    async def user(self, user_id: UUID) -> User:
        """The user as far as is known. Raises `UserNotFound` if nothing says that it is one."""
        user, _ = await self._standing(user_id)
        if user is None:
            raise errors.UserNotFound
        return user

    async def erased(self, user_id: UUID) -> tuple[User, int] | None:
        """The user, if they were erased, and the log position that this reflects: no more is asked about them."""
        user, head = await self._standing(user_id)
        return (user, head) if user is not None and user.erased else None

    async def _standing(self, user_id: UUID) -> tuple[User | None, int]:
        parameters = {"user_id": user_id, "erased": User.Erased.TOPIC, "known": _TOPICS}
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_STANDING, parameters)
            row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - it is an aggregate
        version, is_erased, is_user, head = row
        return (User.unread(user_id, version, erased=is_erased) if is_user else None), head

    async def claims_naming(self, user_id: UUID) -> Sequence[UUID]:
        """The ids of all claims that were ever this user's: by the timeline, and by what it has not folded yet."""
        parameters = {"user_id": user_id, "topic": EmailClaim.Claimed.TOPIC}
        try:
            selected = await self._timeline.select(Selection(_CLAIMED, parameters), AS_IT_IS)
            found, position = {row.stream_id for row, _ in selected.rows}, selected.position
        except PositionNotReachedError:  # there is no timeline yet
            found, position = set[UUID](), 0
        since = {"position": position, "topic": EmailClaim.Claimed.TOPIC, "named": str(user_id).encode()}
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_CLAIMED_SINCE, since)
            found |= {stream_id for (stream_id,) in await cursor.fetchall()}
        return sorted(found)
