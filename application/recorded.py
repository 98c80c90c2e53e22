"""An event as recorded in the log."""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from application.unreadable import UnreadableEvent
from domain.kernel import AggregateEvent

EventT_co = TypeVar("EventT_co", bound=AggregateEvent | UnreadableEvent, covariant=True)


class Recorded(msgspec.Struct, Generic[EventT_co], frozen=True, gc=False):
    """An event with its place in the log, its instant on the log's clock, and by whom, how and why it came about."""

    event: EventT_co
    topic: str
    position: int
    recorded_at: datetime
    actor: str | None = None
    on_behalf_of: str | None = None
    client: str | None = None
    reason: str | None = None
    command_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    trace_id: bytes | None = None
    """W3C trace id, 16 octets."""
