"""Segments: how far the streams of a generation are folded. While one worker follows a model, there is one segment.

A worker that has locked a segment's row holds the segment until the end of a batch; others skip it. So there are no
terms, clocks or heartbeats: a lock ends with its transaction, and the transaction of a dead or frozen worker is ended
by the database (docs/decisions/0012-segments.md).
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from infrastructure.log.reader import ALL_OCTETS, Connection, Octets

MOST = 256
"""Segments that a generation can have: one for each last octet of a stream's id."""


class FencedOffError(Exception):
    """Another worker moved a checkpoint: this one's batch is void."""


class Segment(NamedTuple):
    """Streams by the last octet of their ids, both ends included, and the position up to which they are folded."""

    first: int
    last: int
    position: int


class Batch(NamedTuple):
    """Segments that stand at one position, and up to where to take them together."""

    segments: Sequence[Segment]
    after: int
    upto: int

    @property
    def octets(self) -> Octets:
        """Of the streams that belong to it."""
        octets = [(segment.first, segment.last) for segment in self.segments]
        covered = sum(last - first + 1 for first, last in octets)
        return ALL_OCTETS if covered == MOST else tuple(octets)


def add_segment(connection: Connection, name: str, generation: int, position: int = 0) -> None:
    """All streams of a new generation; part of the caller's transaction."""
    connection.execute(
        "INSERT INTO projection.segment VALUES (%s, %s, 0, %s, %s)", (name, generation, MOST - 1, position)
    )


def hold_segments(connection: Connection, name: str, generation: int, most: int = MOST) -> list[Segment]:
    """Lock some segments that nobody holds, those that are furthest behind, until the end of the transaction."""
    rows = connection.execute(
        """
        SELECT first, last, "position" FROM projection.segment WHERE name = %s AND generation = %s
        ORDER BY "position", first LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (name, generation, most),
        prepare=True,
    ).fetchall()
    return [Segment(*row) for row in rows]


def next_batch(held: Sequence[Segment], head: int, limit: int) -> Batch:
    """The segments that are furthest behind, at most up to where others stand: then they go on together."""
    after = min(segment.position for segment in held)
    others = [segment.position for segment in held if segment.position > after]
    return Batch([s for s in held if s.position == after], after, min(after + limit, head, *others))


def move_segments(connection: Connection, name: str, generation: int, batch: Batch) -> None:
    """Move the checkpoints of a batch by compare-and-set. Raises `FencedOffError`."""
    moved = connection.execute(
        """
        UPDATE projection.segment SET "position" = %s
        WHERE name = %s AND generation = %s AND first = ANY (%s) AND "position" = %s
        """,
        (batch.upto, name, generation, [segment.first for segment in batch.segments], batch.after),
        prepare=True,
    )
    if moved.rowcount != len(batch.segments):
        raise FencedOffError


def all_segments(connection: Connection, name: str, generation: int, *, hold: bool = False) -> list[Segment]:
    """Every segment, whether held or not; locked if wanted, once nobody else holds it.

    Who locks holds the generation's row, too: else segments may be divided meanwhile.
    """
    lock = "FOR UPDATE" if hold else ""
    rows = connection.execute(
        'SELECT first, last, "position" FROM projection.segment '  # noqa: S608 - one of two texts
        f"WHERE name = %s AND generation = %s ORDER BY first {lock}",
        (name, generation),
    ).fetchall()
    return [Segment(*row) for row in rows]


def position_of(segments: Sequence[Segment], stream: UUID) -> int:
    """Up to where a stream is folded."""
    octet = stream.bytes[-1]
    return next(s.position for s in segments if s.first <= octet <= s.last)
