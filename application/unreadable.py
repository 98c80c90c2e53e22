"""What becomes of a history of which something cannot be read (docs/decisions/0037-unreadable-histories.md).

An event is unreadable if this release does not know its topic, if its content or the person's key is damaged, or if it
does not follow from the events before it.
"""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from domain.kernel import Aggregate, AggregateEvent

AggregateT = TypeVar("AggregateT", bound=Aggregate)

UNREADABLE = "[unreadable]"
"""In place of a text that cannot be read."""


class HistoryUnreadableError(Exception):
    """An event of a stream cannot be read, so what the stream comes to is unknown. Says where, and nothing it holds."""

    def __init__(self, stream_id: UUID, version: int, kind: str, position: int | None = None) -> None:
        self.stream_id = stream_id
        self.version = version
        self.kind = kind
        """The kind of error that it was."""
        self.position = position
        """Where the event is in the log, if that is known."""
        place = f"version {version}" if position is None else f"version {version} (position {position:,})"
        super().__init__(f"The event with {place} of {stream_id} cannot be read: {kind}")


def mutated(aggregate: AggregateT | None, event: AggregateEvent, position: int | None = None) -> AggregateT:
    """The aggregate after an event. Raises `HistoryUnreadableError` if the event does not follow from those before."""
    try:
        after: AggregateT = event.mutate(aggregate)
    except Exception as error:
        kind = type(error).__name__
        raise HistoryUnreadableError(event.originator_id, event.originator_version, kind, position) from error
    return after


class UnreadableEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Stands for an event that cannot be read: its place in its stream, and its instant."""

    originator_id: UUID
    originator_version: int
    timestamp: datetime
