"""Reads the leaves of the tree from the log: each row in the very octets in which PostgreSQL copies it out.

Nothing is decoded on the way, so a leaf is what is stored, and reading it costs next to nothing.
"""

from collections.abc import Iterator

from psycopg import sql

from application.proof.leaves import COLUMNS, ENCODING, position_of
from application.proof.merkle_tree import leaf_hash
from infrastructure.log.reader import Connection

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER_OCTETS = len(_SIGNATURE) + 4 + 4
_TRAILER = b"\xff\xff"
_COPY = sql.SQL(
    'COPY (SELECT {columns} FROM log.event e WHERE {condition} ORDER BY "position") TO STDOUT (FORMAT BINARY)'
)
_LIST = sql.SQL(", ").join(sql.Identifier(column) for column in COLUMNS)


class LeafMissingError(Exception):
    """There is no event at a position."""

    def __init__(self, position: int) -> None:
        super().__init__(f"position {position} is missing from the log")


def leaves_in(connection: Connection, after: int, upto: int) -> Iterator[bytes]:
    """The data of the leaves of the positions in (after, upto], as far as they are there, in order."""
    condition = sql.SQL('"position" > {} AND "position" <= {}').format(sql.Literal(after), sql.Literal(upto))
    return _leaves(connection, condition)


def leaf_hashes_in(connection: Connection, after: int, upto: int) -> list[bytes]:
    """The hashes of the leaves of the positions in (after, upto], of each of them: else `LeafMissingError`."""
    hashes = []
    for expected, data in enumerate(leaves_in(connection, after, upto), start=after + 1):
        if position_of(data) != expected:
            break
        hashes.append(leaf_hash(data))
    if len(hashes) != upto - after:
        raise LeafMissingError(after + len(hashes) + 1)
    return hashes


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
