"""What a leaf of the tree is made of: every column of an event as it is stored, in one documented encoding.

Leaf data is the octet 0x01 (the version of this encoding), then the row in PostgreSQL's binary COPY format
(https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS): the number of columns as a 16-bit
integer, then for each column the number of its octets as a 32-bit integer, -1 for NULL, and the octets. So a value that
is not there differs from one that is empty, and no value can run into the next. Integers are signed and big-endian; an
instant is a 64-bit integer, microseconds since 2000-01-01T00:00:00Z; a UUID is 16 octets; text is UTF-8.
"""

import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

ENCODING = b"\x01"
COLUMNS = (
    "position",
    "recorded_at",
    "stream_id",
    "version",
    "topic",
    "state",
    "command_id",
    "correlation_id",
    "causation_id",
    "trace_id",
    "actor",
    "on_behalf_of",
    "client",
    "reason",
)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIXED = struct.Struct(">h iq iq i16s ii")
_LENGTH = struct.Struct(">i")
_FIXED_LENGTHS = (8, 8, 16, 4)
_POSITION, _INSTANT = slice(7, 15), slice(19, 27)


class LeafInvalidError(ValueError):
    """These octets are not the data of a leaf."""


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One row of the log, as it is stored."""

    position: int
    recorded_at: datetime
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    command_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    trace_id: bytes | None = None
    actor: str | None = None
    on_behalf_of: str | None = None
    client: str | None = None
    reason: str | None = None


def encode(event: StoredEvent) -> bytes:
    """The data of an event's leaf."""
    fixed = _FIXED.pack(
        len(COLUMNS),
        8,
        event.position,
        8,
        (event.recorded_at - EPOCH) // _MICROSECOND,
        16,
        event.stream_id.bytes,
        4,
        event.version,
    )
    return ENCODING + fixed + b"".join(map(_sized, _variable(event)))


def decode(data: bytes) -> StoredEvent:
    """The event that a leaf stands for. Raises `LeafInvalidError` for anything that `encode` would not have made."""
    try:
        event = _event(data)
    except (struct.error, ValueError, OverflowError):
        raise LeafInvalidError("this is not the data of a leaf") from None
    if encode(event) != data:
        raise LeafInvalidError("this is not the data of a leaf")
    return event


def glance(data: bytes) -> tuple[bytes, str, bytes]:
    """Instant, topic and state of a leaf, at little cost; instants compare like what they stand for, from 2000 on.

    Raises `LeafInvalidError` if it has not even the form of a leaf.
    """
    try:
        begin = 1 + _FIXED.size + _LENGTH.size
        end = begin + _LENGTH.unpack_from(data, begin - _LENGTH.size)[0]
        length = _LENGTH.unpack_from(data, end)[0]
        state = end + _LENGTH.size
        return data[_INSTANT], data[begin:end].decode(), data[state : state + length]
    except (struct.error, UnicodeDecodeError):
        raise LeafInvalidError("this is not the data of a leaf") from None


def position_of(data: bytes) -> int:
    """The position of the event that a leaf stands for."""
    return int.from_bytes(data[_POSITION])


def _event(data: bytes) -> StoredEvent:
    count, *fixed = _FIXED.unpack_from(data, 1)
    if data[:1] != ENCODING or count != len(COLUMNS) or tuple(fixed[::2]) != _FIXED_LENGTHS:
        raise ValueError
    position, microseconds, stream_id, version = fixed[1::2]
    topic, state, command_id, correlation_id, causation_id, trace_id, *texts = _fields(data, 1 + _FIXED.size)
    if topic is None or state is None:
        raise ValueError
    actor, on_behalf_of, client, reason = (None if text is None else text.decode() for text in texts)
    return StoredEvent(
        position=position,
        recorded_at=EPOCH + microseconds * _MICROSECOND,
        stream_id=UUID(bytes=stream_id),
        version=version,
        topic=topic.decode(),
        state=state,
        command_id=_uuid(command_id),
        correlation_id=_uuid(correlation_id),
        causation_id=_uuid(causation_id),
        trace_id=trace_id,
        actor=actor,
        on_behalf_of=on_behalf_of,
        client=client,
        reason=reason,
    )


def _fields(data: bytes, offset: int) -> list[bytes | None]:
    fields: list[bytes | None] = []
    while offset < len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        fields.append(None if length < 0 else data[offset : offset + length])
        offset += max(length, 0)
    return fields


def _variable(event: StoredEvent) -> list[bytes | None]:
    ids = (event.command_id, event.correlation_id, event.causation_id)
    texts = (event.actor, event.on_behalf_of, event.client, event.reason)
    return [
        event.topic.encode(),
        event.state,
        *(None if value is None else value.bytes for value in ids),
        event.trace_id,
        *(None if value is None else value.encode() for value in texts),
    ]


def _sized(value: bytes | None) -> bytes:
    return _LENGTH.pack(-1) if value is None else _LENGTH.pack(len(value)) + value


def _uuid(octets: bytes | None) -> UUID | None:
    return None if octets is None else UUID(bytes=octets)
