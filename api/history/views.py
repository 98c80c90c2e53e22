"""Events, as the API returns them."""

from typing import Any
from uuid import UUID

from api.http.views import Instant, View
from application.history.queries import TimelineItem
from application.history.timeline import TimelineEntry


class FactView(View, frozen=True):
    """An event: what, when, by whom, on whose behalf, through which client, why, in which command."""

    position: int
    user_id: UUID
    stream_id: UUID
    version: int
    topic: str
    recorded_at: Instant
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None
    correlation_id: UUID | None


class FactWithDataView(FactView, frozen=True):
    """An event, with its content."""

    unreadable: bool
    """Whether its content cannot be read: this release does not know its topic, or it or its key is damaged."""
    data: dict[str, Any]
    """Empty if it cannot be read."""


def fact(entry: TimelineEntry) -> FactView:
    """An event, without its content."""
    return FactView(**_told_of(entry))


def fact_with_data(item: TimelineItem) -> FactWithDataView:
    """An event, with its content."""
    return FactWithDataView(**_told_of(item.entry), unreadable=item.data is None, data=item.data or {})


def _told_of(entry: TimelineEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in FactView.__struct_fields__}
