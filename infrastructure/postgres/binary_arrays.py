"""Arrays as PostgreSQL receives them in binary, made at a fraction of what the driver takes for them.

The driver asks each element for its type; where a column is known to be of one type, that is most of the time which a
batch takes of this process. The form is that of `array_recv`: dimensions, a flag, the type of the elements, their
number and the lower bound; then each element behind its length, or -1 for NULL.
"""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from struct import Struct
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import postgres
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_HEADER = Struct(">iiIii").pack
_LENGTH = Struct(">i").pack
_INTEGER = Struct(">ii").pack
_BIG_INTEGER = Struct(">iq").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
_LENGTHS = [_LENGTH(length) for length in range(1_024)]
_BOOLEANS = {False: _LENGTH(1) + b"\0", True: _LENGTH(1) + b"\1"}
_MAY_HOLD_NULL = 1
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From here PostgreSQL counts microseconds, and days."""
_EPOCH_DAY = _EPOCH.date().toordinal()
_MICROSECOND = timedelta(microseconds=1)


class BinaryArray(msgspec.Struct, frozen=True, gc=False):
    """An array to be sent as it is."""

    oid: int
    """Of the type of the array."""
    octets: bytes


def binary_array(element_type: str, values: Sequence[Any]) -> BinaryArray:
    """One dimension of uuid, text, bytea, integer, bigint, boolean, timestamptz or date.

    Values may be None. Raises `psycopg.DataError` if one is not of the type, as the database does for what it refuses.
    """
    oid, array_oid, encode = _TYPES[element_type]
    try:
        elements = encode(values)
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError, struct.error):
        raise psycopg.DataError(f"a value cannot be stored as {element_type}") from None
    return BinaryArray(array_oid, _HEADER(1, _MAY_HOLD_NULL, oid, len(values), 1) + b"".join(elements))


def _uuids(values: Sequence[UUID | None]) -> list[bytes]:
    return [_NULL if value is None else _UUID_LENGTH + value.bytes for value in values]


def _texts(values: Sequence[str | None]) -> list[bytes]:
    return [_NULL if value is None else _sized(value.encode()) for value in values]


def _octets(values: Sequence[bytes | None]) -> list[bytes]:
    return [_NULL if value is None else _sized(value) for value in values]


def _integers(values: Sequence[int | None]) -> list[bytes]:
    return [_NULL if value is None else _INTEGER(4, value) for value in values]


def _big_integers(values: Sequence[int | None]) -> list[bytes]:
    return [_NULL if value is None else _BIG_INTEGER(8, value) for value in values]


def _booleans(values: Sequence[bool | None]) -> list[bytes]:
    return [_NULL if value is None else _BOOLEANS[value] for value in values]


def _instants(values: Sequence[datetime | None]) -> list[bytes]:
    return [_NULL if value is None else _BIG_INTEGER(8, (value - _EPOCH) // _MICROSECOND) for value in values]


def _dates(values: Sequence[date | None]) -> list[bytes]:
    return [_NULL if value is None else _INTEGER(4, value.toordinal() - _EPOCH_DAY) for value in values]


def _sized(value: bytes) -> bytes:
    size = len(value)
    return (_LENGTHS[size] if size < len(_LENGTHS) else _LENGTH(size)) + value


_Encode = Callable[[Sequence[Any]], list[bytes]]


def _type(name: str, encode: _Encode) -> tuple[int, int, _Encode]:
    known = postgres.types[name]
    return known.oid, known.array_oid, encode


_TYPES: dict[str, tuple[int, int, _Encode]] = {
    "uuid": _type("uuid", _uuids),
    "text": _type("text", _texts),
    "bytea": _type("bytea", _octets),
    "integer": _type("int4", _integers),
    "bigint": _type("int8", _big_integers),
    "boolean": _type("bool", _booleans),
    "timestamptz": _type("timestamptz", _instants),
    "date": _type("date", _dates),
}


class _ArrayDumper(Dumper):
    """Hands the octets on, as the type that the array has."""

    format = Format.BINARY

    def dump(self, obj: BinaryArray) -> Buffer:
        return obj.octets

    def get_key(self, obj: BinaryArray, format: Any) -> Any:  # noqa: A002, ARG002 - the driver's names
        return self.cls, obj.oid

    def upgrade(self, obj: BinaryArray, format: Any) -> Dumper:  # noqa: A002, ARG002 - the driver's names
        dumper = _ArrayDumper(self.cls)
        dumper.oid = obj.oid
        return dumper


postgres.adapters.register_dumper(BinaryArray, _ArrayDumper)
