"""The event-sourcing kernel: the only domain module that knows the `eventsourcing` library."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast, get_args
from uuid import UUID

import msgspec
from eventsourcing.domain import BaseAggregate, CanInitAggregate, CanMutateAggregate
from eventsourcing.domain import event as records

from domain.ids import uuid7

__all__ = [
    "Aggregate",
    "AggregateCreated",
    "AggregateEvent",
    "Personal",
    "event_types",
    "payload_fields",
    "personal_fields",
    "purpose_of",
    "records",
    "serves",
]

T = TypeVar("T")

Personal = Annotated[T, msgspec.Meta(extra={"personal": True})]
"""Marks an event field that holds personal data, so that storage can seal it with the person's own key."""


def serves(purpose: str) -> msgspec.Meta:
    """What a field of an event is held for, said beside it and told by the data map."""
    return msgspec.Meta(extra={"purpose": purpose})


KERNEL_FIELDS = frozenset({"originator_id", "originator_version", "timestamp", "originator_topic"})
"""Fields that every event has from the kernel; the rest of an event's fields are its payload."""


class AggregateEvent(msgspec.Struct, CanMutateAggregate[UUID], frozen=True, kw_only=True):
    """One recorded fact of an aggregate."""

    originator_id: UUID
    originator_version: int
    timestamp: datetime

    def _as_dict(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


class AggregateCreated(AggregateEvent, CanInitAggregate[UUID], frozen=True, kw_only=True):
    """The first fact of an aggregate."""

    originator_topic: str


class Aggregate(BaseAggregate[UUID]):
    """A consistency boundary whose state is its recorded events, played again."""

    class Event(AggregateEvent, frozen=True):
        """The root of an aggregate's events."""

    @staticmethod
    def create_id(*_: Any, **__: Any) -> UUID:
        """Give out an id that sorts by time, for index locality."""
        return uuid7()

    def collect_events(self) -> Sequence[AggregateEvent]:
        """Take away the events that are new since the last time."""
        return cast("Sequence[AggregateEvent]", super().collect_events())


def event_types(aggregate: type[Aggregate]) -> tuple[type[AggregateEvent], ...]:
    """The events an aggregate can record, in the order of their definition."""
    members = (member for member in vars(aggregate).values() if isinstance(member, type))
    return tuple(m for m in members if issubclass(m, AggregateEvent) and m is not aggregate.Event)


def payload_fields(event_type: type[AggregateEvent]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields an event type adds to those of the kernel."""
    return tuple(field for field in msgspec.structs.fields(event_type) if field.name not in KERNEL_FIELDS)


def personal_fields(event_type: type[AggregateEvent]) -> frozenset[str]:
    """The names of an event type's fields that hold personal data."""
    return frozenset(field.name for field in payload_fields(event_type) if _is_personal(field.type))


def purpose_of(field: msgspec.structs.FieldInfo) -> str | None:
    """What an event's field is held for; None if nobody said so."""
    purpose: str | None = _declared(field.type).get("purpose")
    return purpose


def _is_personal(annotation: Any) -> bool:
    return bool(_declared(annotation).get("personal"))


def _declared(annotation: Any) -> dict[str, Any]:
    """What is said beside a field, in one or several annotations, also where it may be null."""
    marked = [part for part in (annotation, *get_args(annotation)) if hasattr(part, "__metadata__")]
    metas = [meta for part in marked for meta in part.__metadata__ if isinstance(meta, msgspec.Meta)]
    return {name: value for meta in metas for name, value in (meta.extra or {}).items()}
