"""Reads the leaves of the tree from the log: each row in the very octets in which PostgreSQL copies it out.

Nothing is decoded on the way, so a leaf is what is stored, and reading it costs next to nothing.
"""

from collections.abc import Iterator

from psycopg import sql

from application.proof.leaves import COLUMNS, ENCODING
from infrastructure.log_reader import Connection

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER_OCTETS = len(_SIGNATURE) + 4 + 4
_TRAILER = b"\xff\xff"
_COPY = sql.SQL(
    'COPY (SELECT {columns} FROM log.event e WHERE {condition} ORDER BY "position") TO STDOUT (FORMAT BINARY)'
)
_LIST = sql.SQL(", ").join(sql.Identifier(column) for column in COLUMNS)


def leaves_in(connection: Connection, after: int, upto: int) -> Iterator[bytes]:
    """The data of the leaves of the positions in (after, upto], as far as they are there, in order."""
    condition = sql.SQL('"position" > {} AND "position" <= {}').format(sql.Literal(after), sql.Literal(upto))
    return _leaves(connection, condition)


def leaves_at(connection: Connection, positions: list[int]) -> Iterator[bytes]:
    """The data of the leaves at these positions, as far as they are there, in order."""
    return _leaves(connection, sql.SQL('"position" = ANY ({})').format(sql.Literal(positions)))


def _leaves(connection: Connection, condition: sql.Composable) -> Iterator[bytes]:
    # libpq hands over one row at a time; the first comes with the header of the format before it.
    with connection.cursor().copy(_COPY.format(columns=_LIST, condition=condition)) as copy:
        while data := copy.read():
            row = bytes(data)
            if row.startswith(_SIGNATURE):
                row = row[_HEADER_OCTETS:]
            if row and row != _TRAILER:
                yield ENCODING + row
