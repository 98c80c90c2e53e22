"""The deletion schedule: whose grace period ends when."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.projections.definition import Holds, Index, Projection
from application.recorded import Recorded
from domain.users import User


class ScheduledDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """A user who asked to be deleted, and has not thought better of it."""

    user_id: UUID
    erase_after: datetime


def scheduled_deletion(_: ScheduledDeletion | None, recorded: Recorded[Any]) -> ScheduledDeletion | None:
    """The user's row after another event about their deletion."""
    event = recorded.event
    if isinstance(event, User.DeletionRequested):
        return ScheduledDeletion(user_id=event.originator_id, erase_after=event.erase_after)
    return None


DELETION_SCHEDULE = Projection(
    name="deletion_schedule",
    version=1,
    events=(User.DeletionRequested, User.DeletionWithdrawn, User.Erased),
    reads_personal=(),
    row=ScheduledDeletion,
    holds=Holds(
        purpose="erasing people when their grace period is over", kept="until it is withdrawn, or the person erased"
    ),
    fold=scheduled_deletion,
    hurries=False,
    indexes=(Index("due", ("erase_after", "user_id")),),
)
