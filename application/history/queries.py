"""What can be asked about what was done to accounts."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol
from uuid import UUID

import msgspec

from application.history.timeline import TimelineEntry
from application.history.topics import Topic
from application.queries import AS_IT_IS, Freshness, ItemT, Page, PageRequest
from application.record_filters import ActorName


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Filters for events; None matches everything."""

    actor: ActorName | None = None
    user_id: UUID | None = None
    topic: Topic | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None
    """Exclusive."""
    command_id: UUID | None = None
    correlation_id: UUID | None = None


class Findings(msgspec.Struct, Generic[ItemT], frozen=True):
    """All items that a query finds as of a position of the log, some at a time."""

    position: int
    batches: AsyncIterator[Sequence[ItemT]]


class TimelineItem(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a timeline, with its content as stored in the log; None if that cannot be read."""

    entry: TimelineEntry
    data: dict[str, Any] | None


class Timeline(Protocol):
    """All that was done to people's accounts."""

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[TimelineItem]:
        """One account's events with their content, oldest first. Raises like `Directory.page`."""
        ...

    async def search(self, wanted: AuditFilter, page: PageRequest) -> Page[TimelineEntry]:
        """Events in the order of the log. Raises like `Directory.page`."""
        ...

    async def all_of(self, wanted: AuditFilter, freshness: Freshness = AS_IT_IS) -> Findings[TimelineEntry]:
        """All events up to the head, in the order of the log. Raises like `Directory.page`."""
        ...
