"""Badges, as ports see them."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from application.badges.badges import BadgeRow
from application.queries import AS_IT_IS, Freshness


class Badges(Protocol):
    """Who has which badges."""

    async def of_user(self, user_id: UUID, freshness: Freshness = AS_IT_IS) -> tuple[Sequence[BadgeRow], int]:
        """Somebody's badges, and the log position that this reflects."""
        ...
