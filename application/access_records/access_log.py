"""The access log: who read whose personal data, when and what for."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.projections.definition import LIKE_THE_LOG, Holds, Index, Projection, position
from application.recorded import Recorded
from domain.access_records.access_record import AccessRecord


class AccessEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader read within a moment, for one purpose; or readings that went unrecorded."""

    position: int
    recorded_at: datetime
    reading: str | None
    first_at: datetime
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    purpose: str | None
    query: str | None
    """What was exported, where no people are named."""
    user_ids: list[UUID]
    lost: int
    """How many readings went unrecorded, if `reading` is null."""


def access_entry(_: AccessEntry | None, recorded: Recorded[Any]) -> AccessEntry:
    """The entry of one record."""
    event = recorded.event
    is_loss = isinstance(event, AccessRecord.ReadingsLost)
    return AccessEntry(
        position=recorded.position,
        recorded_at=recorded.recorded_at,
        reading=None if is_loss else str(event.reading),
        first_at=event.first_at,
        actor=recorded.actor,
        on_behalf_of=recorded.on_behalf_of,
        client=recorded.client,
        purpose=None if is_loss else event.purpose,
        query=None if is_loss else event.query,
        user_ids=[] if is_loss else list(event.user_ids),
        lost=event.count if is_loss else 0,
    )


ACCESS_LOG = Projection(
    name="access_log",
    version=1,
    events=(AccessRecord.PeopleRead, AccessRecord.ReadingsLost),
    row=AccessEntry,
    holds=Holds(purpose="telling who read whose data, when and what for", kept=LIKE_THE_LOG),
    fold=access_entry,
    key=position,
    reads_metadata=True,
    hurries=False,
    indexes=(
        Index("actor", ("actor", "position")),
        Index("people", ("user_ids",)),
    ),
)
