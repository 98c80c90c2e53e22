"""The badges there are, without the words: those are in the log."""

from typing import Any
from uuid import UUID

import msgspec

from application.projections.definition import LIKE_THE_LOG, Holds, Index, Projection
from application.recorded import Recorded
from domain.badges.badge import Badge
from domain.kernel import event_types


class BadgeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One badge."""

    badge_id: UUID
    user_id: UUID
    giver_id: UUID
    withdrawn: bool


def badge_row(row: BadgeRow | None, recorded: Recorded[Any]) -> BadgeRow | None:
    """The badge after another event."""
    event = recorded.event
    if isinstance(event, Badge.Awarded):
        return BadgeRow(badge_id=event.originator_id, user_id=event.user_id, giver_id=event.giver_id, withdrawn=False)
    return msgspec.structs.replace(row, withdrawn=True) if row else None


BADGES = Projection(
    name="badges",
    version=1,
    events=event_types(Badge),
    reads_personal=(),
    row=BadgeRow,
    holds=Holds(purpose="listing badges", kept=LIKE_THE_LOG),
    fold=badge_row,
    indexes=(Index("user", ("user_id", "badge_id")),),
)
