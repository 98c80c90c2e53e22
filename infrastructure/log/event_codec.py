"""Turns events into readable bytes, and back.

The readable form is the event's payload as JSON, without defaults, for as long as there is JSON. What is personal in it
is sealed before it is stored (infrastructure/encryption). What the log keeps in columns of its own (stream, version,
instant) is not repeated in it. An event's `timestamp` is the instant on the log's clock.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import FieldInfo

from domain.aggregates import AGGREGATES
from domain.kernel import (
    Aggregate,
    AggregateCreated,
    AggregateEvent,
    begins_person,
    event_types,
    payload_fields,
    personal_fields,
    subject_getter,
)
from domain.values import ERASED, SEALED
from infrastructure.encryption import sealed_form


class UnknownTopicError(LookupError):
    """The log holds a topic that this version of the program does not know."""


class UndecodableEventError(ValueError):
    """The stored bytes are not a payload of the event's topic. Says which topic, never what the bytes are."""


_NO_PAYLOAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises, the last one where brackets are nested without end."""


class EventForm:
    """How the events of one type are stored."""

    def __init__(self, event_type: type[AggregateEvent], aggregate: type[Aggregate]) -> None:
        self.topic: str = event_type.TOPIC  # type: ignore[attr-defined] # every event of ours has one; a test insists
        self.event_type = event_type
        self.personal = personal_fields(event_type)
        self.subject_of = subject_getter(event_type)
        self.begins_person = begins_person(event_type)
        self.forgets_subject = event_type.FORGETS_SUBJECT
        fields = payload_fields(event_type)
        whole = _payload_type(event_type, fields)
        clear = _payload_type(event_type, [field for field in fields if field.name not in self.personal])
        personal = _payload_type(event_type, [field for field in fields if field.name in self.personal])
        self._told, self._decoder = _teller(whole), msgspec.json.Decoder(whole)
        self._told_in_clear, self._clear_decoder = _teller(clear), msgspec.json.Decoder(clear)
        self._told_personally = _teller(personal)
        created = issubclass(event_type, AggregateCreated)
        fixed = {"originator_topic": aggregate.TOPIC} if created else {}  # type: ignore[attr-defined] # as above
        self._event = _maker(event_type, fixed)
        self._event_without_personal = _maker(event_type, fixed, without=self.personal)

    def encode(self, event: AggregateEvent) -> bytes:
        """The payload of an event, as JSON in the order of its fields."""
        return _json(self._told(event))

    def encode_parts(self, event: AggregateEvent) -> tuple[bytes, bytes]:
        """The same in two: what anybody may read, and what is personal."""
        return _json(self._told_in_clear(event)), _json(self._told_personally(event))

    def decode(self, state: bytes, stream_id: UUID, version: int, recorded_at: datetime) -> AggregateEvent:
        """The event that was stored. Raises `UndecodableEventError`."""
        # No function of its own for each step: the log is read by the million.
        stand_in = _STAND_INS.get(state[:1])
        try:
            if stand_in is None:
                return self._event(self._decoder.decode(state), None, stream_id, version, recorded_at)
            payload = self._clear_decoder.decode(sealed_form.clear_part(state))
            return self._event_without_personal(payload, stand_in, stream_id, version, recorded_at)
        except _NO_PAYLOAD:
            raise UndecodableEventError(self.topic) from None

    def check(self, state: bytes) -> None:
        """Raise `UndecodableEventError` where `decode` would, at less cost."""
        try:
            if state[:1] in _STAND_INS:
                self._clear_decoder.decode(sealed_form.clear_part(state))
            else:
                self._decoder.decode(state)
        except _NO_PAYLOAD:
            raise UndecodableEventError(self.topic) from None


_json = msgspec.json.Encoder().encode


def _payload_type(event_type: type[AggregateEvent], fields: Sequence[FieldInfo]) -> type[msgspec.Struct]:
    """Some of the fields of an event; encoded are those that say something else than their default does."""
    declared = [
        (field.name, field.type) if field.default is msgspec.NODEFAULT else (field.name, field.type, field.default)
        for field in fields
    ]
    name = f"{event_type.__name__}Payload"
    return msgspec.defstruct(name, declared, kw_only=True, frozen=True, gc=False, omit_defaults=True)


def _teller(payload_type: type[msgspec.Struct]) -> Callable[[AggregateEvent], msgspec.Struct]:
    """A function that takes its fields out of an event, compiled for the reason that `_maker` gives."""
    arguments = ", ".join(f"{name}=event.{name}" for name in payload_type.__struct_fields__)
    tell: Callable[[AggregateEvent], msgspec.Struct]
    tell = eval(f"lambda event: payload_type({arguments})", {"payload_type": payload_type})  # noqa: S307 - as there
    return tell


def _maker(
    event_type: type[AggregateEvent], fixed: Mapping[str, Any], without: frozenset[str] = frozenset()
) -> Callable[[Any, Any, UUID, int, datetime], AggregateEvent]:
    """A function that makes an event of its payload and its place; the fields `without` hold the stand-in it is told.

    It is compiled, as the methods of dataclasses are: one call with all fields by name costs half of what it takes to
    merge them from dictionaries, and a replay does little else.
    """
    names = [field.name for field in payload_fields(event_type)]
    values = [f"{name}={'stand_in' if name in without else f'payload.{name}'}" for name in names]
    arguments = ["originator_id=stream_id, originator_version=version, timestamp=recorded_at", *values]
    arguments += [f"{name}={value!r}" for name, value in fixed.items()]
    source = f"lambda payload, stand_in, stream_id, version, recorded_at: event_type({', '.join(arguments)})"
    make: Callable[[Any, Any, UUID, int, datetime], AggregateEvent]
    make = eval(source, {"event_type": event_type})  # noqa: S307 - of the names of fields, which are ours
    return make


_STAND_INS = {sealed_form.ERASED: ERASED, sealed_form.SEALED: SEALED, sealed_form.SEALED_FOR: SEALED}
"""What personal fields hold that cannot be read any more, or were not to be read."""

FORMS: dict[str, EventForm] = {
    form.topic: form for aggregate in AGGREGATES for form in (EventForm(t, aggregate) for t in event_types(aggregate))
}
_FORM_OF_TYPE: dict[type, EventForm] = {form.event_type: form for form in FORMS.values()}


def form_of(event: AggregateEvent) -> EventForm:
    """How an event is stored."""
    return _FORM_OF_TYPE[type(event)]


def encode(event: AggregateEvent) -> tuple[str, bytes]:
    """The topic and the readable form of an event."""
    form = form_of(event)
    return form.topic, form.encode(event)


def check(topic: str, state: bytes) -> None:
    """Raise `UnknownTopicError` or `UndecodableEventError` where `decode` would, at less cost."""
    form = FORMS.get(topic)
    if form is None:
        raise UnknownTopicError(topic)
    form.check(state)


def decode(topic: str, state: bytes, stream_id: UUID, version: int, recorded_at: datetime) -> AggregateEvent:
    """The event that was stored. Raises `UnknownTopicError` and `UndecodableEventError`."""
    try:
        form = FORMS[topic]
    except KeyError:
        raise UnknownTopicError(topic) from None
    return form.decode(state, stream_id, version, recorded_at)


def payload(topic: str, state: bytes) -> dict[str, Any]:
    """What was stored of an event, by name, with `ERASED` for what was personal and is gone.

    Raises `UndecodableEventError`.
    """
    form = FORMS.get(topic)
    try:
        fields = msgspec.json.decode(sealed_form.clear_part(state), type=dict[str, Any])
    except _NO_PAYLOAD:
        raise UndecodableEventError(topic) from None
    stand_in = _STAND_INS.get(state[:1])
    if form is None or stand_in is None:
        return fields
    everything = fields | dict.fromkeys(form.personal, stand_in)
    return {field.name: everything[field.name] for field in payload_fields(form.event_type) if field.name in everything}
