"""The event-sourcing kernel: the only domain module that knows the `eventsourcing` library."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, wraps
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Self, TypeVar, cast, get_args
from uuid import UUID

import msgspec
from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    CommandMethodDecorator,
    OriginatorIDError,
    OriginatorVersionError,
    decorated_func_callers,
)
from eventsourcing.domain import event as records
from eventsourcing.utils import get_topic, resolve_topic

from domain.ids import uuid7

__all__ = [
    "ALSO_ABOUT",
    "SUBJECT",
    "Aggregate",
    "AggregateCreated",
    "AggregateEvent",
    "Personal",
    "begins_person",
    "event_types",
    "payload_fields",
    "people_of",
    "personal_fields",
    "purpose_of",
    "records",
    "serves",
    "subject_field",
    "subject_getter",
]

T = TypeVar("T")

Personal = Annotated[T, msgspec.Meta(extra={"personal": True})]
"""Marks an event field that holds personal data, so that storage can seal it with the person's own key."""


SUBJECT = msgspec.Meta(extra={"about": "subject"})
"""Marks the field with the id of the person that an event is about, in streams that are not that person's: what is
personal in the event is sealed with this person's key, and gone with it."""
ALSO_ABOUT = msgspec.Meta(extra={"about": "also"})
"""Marks fields with the ids of further people that an event is about. It is shown to them, without what is personal."""


def serves(purpose: str) -> msgspec.Meta:
    """The purpose of a field of an event, declared beside it for the data map."""
    return msgspec.Meta(extra={"purpose": purpose})


_BEFORE_EVERYTHING = datetime.min.replace(tzinfo=UTC)
KERNEL_FIELDS = frozenset({"originator_id", "originator_version", "timestamp", "originator_topic"})
"""Fields that every event has from the kernel; the rest of an event's fields are its payload."""


class AggregateEvent(msgspec.Struct, CanMutateAggregate[UUID], frozen=True, kw_only=True):
    """A recorded event of an aggregate."""

    FORGETS_SUBJECT: ClassVar[bool] = False
    """Whether it is the erasure of the person it is about: why it was done must stay readable without their key."""

    originator_id: UUID
    originator_version: int
    timestamp: datetime

    def _as_dict(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)

    def mutate(self, aggregate: Any) -> Any:
        """Apply the event to the aggregate, and return it.

        Like the library's method, but without inspecting the declaration of the recorder for each event. Raises
        `OriginatorIDError` and `OriginatorVersionError` if the event is not the next one of this aggregate.
        """
        recorder = _RECORDERS.get(type(self))
        if recorder is None:
            return super().mutate(aggregate)
        if self.originator_id != aggregate.id:
            raise OriginatorIDError(self.originator_id, aggregate.id)
        if self.originator_version != aggregate.version + 1:
            raise OriginatorVersionError(self.originator_version, aggregate.version + 1)
        recorder.assign(aggregate, *[getattr(self, name) for name in recorder.fields])
        aggregate.version = self.originator_version
        aggregate.modified_on = self.timestamp
        return aggregate


class AggregateCreated(AggregateEvent, CanInitAggregate[UUID], frozen=True, kw_only=True):
    """The first event of an aggregate."""

    originator_topic: str

    def mutate(self, aggregate: Any) -> Any:
        """The aggregate that this event creates."""
        assert aggregate is None  # noqa: S101 - as the library has it
        kind = resolve_topic(self.originator_topic)
        made = kind.__new__(kind)
        made.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        made.__init__(**{name: getattr(self, name) for name in _payload_names(type(self))})
        return made


class Aggregate(BaseAggregate[UUID]):
    """A consistency boundary whose state is its recorded events, played again."""

    NOT_FOUND: ClassVar[type[Exception]] = LookupError
    """What is raised where one that its first event creates is asked for and is not there."""
    IS_PERSON: ClassVar[bool] = False
    """Whether its id is that of a person: then its events are about that person, unless they say otherwise."""
    IN_TIMELINE: ClassVar[bool] = True
    """Whether its events are shown in the timelines of the people they are about."""
    REMEMBERED: ClassVar[bool] = False
    """Whether processes may keep it in memory between commands. Only of value for what is changed again and again, and
    only for what nobody else's personal data is in: what is in memory is forgotten with the person whose stream it is.
    """

    _is_created: ClassVar[bool] = False
    """Whether a first event creates aggregates of this kind."""

    class Event(AggregateEvent, frozen=True):
        """The root of an aggregate's events."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, member in list(vars(cls).items()):
            if isinstance(member, CommandMethodDecorator) and name != "__init__":
                setattr(cls, name, _recording(decorated_func_callers[member], member.decorated_func))
        events = event_types(cls)
        cls._is_created = any(issubclass(event, AggregateCreated) for event in events)
        _AGGREGATE_OF.update(dict.fromkeys(events, cls))

    @staticmethod
    def create_id(*_: Any, **__: Any) -> UUID:
        """Give out an id that sorts by time, for index locality."""
        return uuid7()

    @classmethod
    def before_events(cls, stream_id: UUID) -> Self | None:
        """What there is before the first event: one of version 0, or None where the first event creates it."""
        return None if cls._is_created else cls.blank(stream_id)

    @classmethod
    def blank(cls, stream_id: UUID) -> Self:
        """An aggregate without events (version 0), for types that no first event creates."""
        blank = cls.__new__(cls)
        blank.__base_init__(stream_id, 0, _BEFORE_EVERYTHING)
        return blank

    def twin(self) -> Self:
        """One with the same state that can be changed by itself, without what is not saved yet.

        States hold immutable values; a kind whose state has something else copies that, too.
        """
        twin = self.__class__.__new__(self.__class__)
        twin.__dict__.update(self.__dict__, _pending_events=[])
        return twin

    @classmethod
    def _create(cls, event_class: Any, **facts: Any) -> Self:
        event = event_class(
            originator_topic=get_topic(cls),
            originator_id=cls.create_id(),
            originator_version=cls.INITIAL_VERSION,
            timestamp=datetime.now(UTC),
            **facts,
        )
        made: Self = event.mutate(None)
        made.pending_events.append(event)
        return made

    def repeat(self, facts: Iterable[Any]) -> None:
        """Record what was recorded about another one of this kind."""
        for fact in facts:
            event = msgspec.structs.replace(fact, originator_id=self.id, originator_version=self.version + 1)
            event.mutate(self)
            self.pending_events.append(event)

    def collect_events(self) -> Sequence[AggregateEvent]:
        """Take away the events that are new since the last time."""
        collected = cast("list[AggregateEvent]", self.pending_events[:])
        self.pending_events.clear()
        return collected


class _Recorder(msgspec.Struct, frozen=True):
    """The method that assigns what an event says, and the fields of the event that it takes."""

    assign: Callable[..., None]
    fields: tuple[str, ...]


_RECORDERS: dict[type, _Recorder] = {}


def _recording(event_type: Any, assign: Callable[..., None]) -> Callable[..., None]:
    """The method that records a fact: the event is made, assigned, and kept to be saved."""
    _, *fields = inspect.signature(assign).parameters
    _RECORDERS[event_type] = _Recorder(assign, tuple(fields))

    @wraps(assign)
    def record(self: Aggregate, *values: Any, **named: Any) -> None:
        event = event_type(
            originator_id=self.id,
            originator_version=self.version + 1,
            timestamp=datetime.now(UTC),
            **dict(zip(fields, values, strict=False)),
            **named,
        )
        event.mutate(self)
        self.pending_events.append(event)

    return record


def event_types(aggregate: type[Aggregate]) -> tuple[type[AggregateEvent], ...]:
    """The events an aggregate can record, in the order of their definition."""
    members = (member for member in vars(aggregate).values() if isinstance(member, type))
    return tuple(m for m in members if issubclass(m, AggregateEvent) and m is not aggregate.Event)


def payload_fields(event_type: type[AggregateEvent]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields an event type adds to those of the kernel."""
    return tuple(field for field in msgspec.structs.fields(event_type) if field.name not in KERNEL_FIELDS)


@cache
def _payload_names(event_type: type[AggregateEvent]) -> tuple[str, ...]:
    return tuple(field.name for field in payload_fields(event_type))


class _People(msgspec.Struct, frozen=True):
    """How the people are found that the events of one type are about."""

    subject: Callable[[Any], UUID | None]
    also: tuple[str, ...]
    """Fields with one id, or none, or several."""


_AGGREGATE_OF: dict[type, type[Aggregate]] = {}
_PEOPLE: dict[type, _People] = {}


def people_of(event: Any) -> tuple[UUID, ...]:
    """Everybody that an event is about, each once; its subject first.

    Of an event of an unknown type it is not known whom it is about, unless that is whose stream it is in.
    """
    people = _PEOPLE.get(type(event)) or _people(type(event))
    subject = people.subject(event)
    if not people.also:
        return () if subject is None else (subject,)
    found = dict.fromkeys(() if subject is None else (subject,))
    for name in people.also:
        value = getattr(event, name)
        found.update(dict.fromkeys(value if isinstance(value, tuple) else () if value is None else (value,)))
    return tuple(found)


def begins_person(event_type: type[AggregateEvent]) -> bool:
    """Whether an event of this type is the first one about a person, so that they have no key yet."""
    return issubclass(event_type, AggregateCreated) and _AGGREGATE_OF[event_type].IS_PERSON


def subject_getter(event_type: type[AggregateEvent]) -> Callable[[Any], UUID | None]:
    """Finds the person that events of one type are about, whose key seals what is personal in them; None for nobody."""
    return _people(event_type).subject


def subject_field(event_type: type[AggregateEvent]) -> str | None:
    """The field with the id of the person that events of this type are about; None if that is whose stream it is."""
    return next(iter(_fields_about(event_type, "subject")), None)


def _people(event_type: type) -> _People:
    people = _PEOPLE[event_type] = _declared_people(event_type)
    return people


def _declared_people(event_type: type) -> _People:
    aggregate = _AGGREGATE_OF.get(event_type)
    if aggregate is None:
        return _People(attrgetter("originator_id"), ())
    field = subject_field(event_type)
    if field is not None:
        subject: Callable[[Any], UUID | None] = attrgetter(field)
    else:
        subject = attrgetter("originator_id") if aggregate.IS_PERSON else _nobody
    return _People(subject, tuple(_fields_about(event_type, "also")))


def _nobody(_: Any) -> None:
    return None


def _fields_about(event_type: type[AggregateEvent], role: str) -> list[str]:
    return [field.name for field in payload_fields(event_type) if _declared(field.type).get("about") == role]


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
