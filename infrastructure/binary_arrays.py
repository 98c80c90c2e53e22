"""Arrays as PostgreSQL receives them in binary, made at a fraction of what the driver takes for them.

The driver asks each element for its type; where a column is known to be of one type, that is most of the time which
an append takes of this process. The form is that of `array_recv`: dimensions, a flag, the type of the elements; then
length and lower bound; then each element behind its length, or -1 for NULL.
"""

from collections.abc import Sequence
from struct import Struct
from uuid import UUID

from psycopg import postgres
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_HEADER = Struct(">iiIii").pack
_LENGTH = Struct(">i").pack
_INTEGER = Struct(">ii").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
_LENGTHS = [_LENGTH(length) for length in range(1_024)]
_MAY_HOLD_NULL = 1


class UuidArray(bytes):
    """`uuid[]`."""

    __slots__ = ()


class TextArray(bytes):
    """`text[]`."""

    __slots__ = ()


class OctetsArray(bytes):
    """`bytea[]`."""

    __slots__ = ()


class IntegerArray(bytes):
    """`integer[]`."""

    __slots__ = ()


def uuids(values: Sequence[UUID | None]) -> UuidArray:
    """An array of UUIDs."""
    elements = [_NULL if value is None else _UUID_LENGTH + value.bytes for value in values]
    return UuidArray(_array("uuid", elements))


def texts(values: Sequence[str | None]) -> TextArray:
    """An array of texts."""
    return TextArray(_array("text", [_NULL if value is None else _sized(value.encode()) for value in values]))


def octets(values: Sequence[bytes | None]) -> OctetsArray:
    """An array of octet strings."""
    return OctetsArray(_array("bytea", [_NULL if value is None else _sized(value) for value in values]))


def integers(values: Sequence[int]) -> IntegerArray:
    """An array of integers of 32 bits. Raises `struct.error` for one that is larger."""
    return IntegerArray(_array("int4", [_INTEGER(4, value) for value in values]))


def _sized(value: bytes) -> bytes:
    size = len(value)
    return (_LENGTHS[size] if size < len(_LENGTHS) else _LENGTH(size)) + value


def _array(element_type: str, elements: Sequence[bytes]) -> bytes:
    """One dimension, from 1; the empty array has none, but takes one of no length as well."""
    return _HEADER(1, _MAY_HOLD_NULL, postgres.types[element_type].oid, len(elements), 1) + b"".join(elements)


def _dumper(array_type: str) -> type[Dumper]:
    class ArrayDumper(Dumper):
        """Hands the octets on."""

        format = Format.BINARY
        oid = postgres.types[array_type].array_oid

        def dump(self, obj: bytes) -> Buffer:
            return obj

    return ArrayDumper


_TYPES: dict[type[bytes], str] = {UuidArray: "uuid", TextArray: "text", OctetsArray: "bytea", IntegerArray: "int4"}
for _class, _name in _TYPES.items():
    postgres.adapters.register_dumper(_class, _dumper(_name))
