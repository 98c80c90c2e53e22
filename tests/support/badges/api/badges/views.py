"""Badges, as they are on the wire."""

from uuid import UUID

import msgspec

from api.http.answers import Receipt
from application.badges.badges import BadgeRow


class BadgeReceipt(Receipt, frozen=True, rename="camel"):
    """The result of a command: the badge's new version, and the log position that includes the change."""

    badge_id: UUID
    version: int
    position: int


class AwardView(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Who gives it, and what for."""

    giver_id: UUID
    words: str


class BadgeView(msgspec.Struct, frozen=True, rename="camel"):
    """One badge."""

    badge_id: UUID
    giver_id: UUID
    withdrawn: bool


class BadgesView(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody's badges."""

    items: list[BadgeView]


def badges_view(rows: list[BadgeRow]) -> BadgesView:
    """The same rows."""
    return BadgesView([BadgeView(row.badge_id, row.giver_id, row.withdrawn) for row in rows])
