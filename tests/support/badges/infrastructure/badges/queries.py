"""Answers who has which badges, from the read model `badges`."""

from collections.abc import Sequence
from uuid import UUID

from psycopg import sql

from application.badges.badges import BADGES, BadgeRow
from application.queries import AS_IT_IS, Freshness
from infrastructure.queries.read_model import Lists, ReadModel, Selection

_OF_USER = sql.SQL("WHERE m.user_id = %(user_id)s ORDER BY m.badge_id")


class BadgeQueries:
    """Badges, as ports see them."""

    def __init__(self, lists: Lists) -> None:
        self._model = ReadModel(lists, BADGES, BadgeRow)

    async def of_user(self, user_id: UUID, freshness: Freshness = AS_IT_IS) -> tuple[Sequence[BadgeRow], int]:
        """Somebody's badges, and the log position that this reflects."""
        selected = await self._model.select(Selection(_OF_USER, {"user_id": user_id}), freshness)
        return [row for row, _ in selected.rows], selected.position
