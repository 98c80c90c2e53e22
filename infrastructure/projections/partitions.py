"""Partitions: how far the streams of a generation are folded. While one worker follows a model, there is one partition.

A worker that has locked a partition's row holds the partition until the end of a batch; others skip it. So there are no
terms, clocks or heartbeats: a lock ends with its transaction, and the transaction of a dead or frozen worker is ended
by the database (docs/decisions/0012-segments.md).
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from infrastructure.log.reader import ALL_OCTETS, Connection, Octets

MOST = 256
"""Partitions that a generation can have: one for each last octet of a stream's id."""


class FencedOffError(Exception):
    """Another worker moved a checkpoint: this one's batch is void."""


class Partition(NamedTuple):
    """Streams by the last octet of their ids, both ends included, and the position up to which they are folded."""

    first: int
    last: int
    position: int


class Batch(NamedTuple):
    """Partitions that stand at one position, and up to where to take them together."""

    partitions: Sequence[Partition]
    after: int
    upto: int

    @property
    def octets(self) -> Octets:
        """Of the streams that belong to it."""
        octets = [(partition.first, partition.last) for partition in self.partitions]
        covered = sum(last - first + 1 for first, last in octets)
        return ALL_OCTETS if covered == MOST else tuple(octets)


def add_partition(connection: Connection, name: str, generation: int, position: int = 0) -> None:
    """All streams of a new generation; part of the caller's transaction."""
    connection.execute(
        "INSERT INTO projection.segment VALUES (%s, %s, 0, %s, %s)", (name, generation, MOST - 1, position)
    )


def hold_partitions(connection: Connection, name: str, generation: int, most: int = MOST) -> list[Partition]:
    """Lock some partitions that nobody holds, those that are furthest behind, until the end of the transaction."""
    rows = connection.execute(
        """
        SELECT first, last, "position" FROM projection.segment WHERE name = %s AND generation = %s
        ORDER BY "position", first LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (name, generation, most),
        prepare=True,
    ).fetchall()
    return [Partition(*row) for row in rows]


def next_batch(held: Sequence[Partition], head: int, limit: int) -> Batch:
    """The partitions that are furthest behind, at most up to where others stand: then they go on together."""
    after = min(partition.position for partition in held)
    others = [partition.position for partition in held if partition.position > after]
    return Batch([s for s in held if s.position == after], after, min(after + limit, head, *others))


def move_partitions(connection: Connection, name: str, generation: int, batch: Batch) -> None:
    """Move the checkpoints of a batch by compare-and-set. Raises `FencedOffError`."""
    moved = connection.execute(
        """
        UPDATE projection.segment SET "position" = %s
        WHERE name = %s AND generation = %s AND first = ANY (%s) AND "position" = %s
        """,
        (batch.upto, name, generation, [partition.first for partition in batch.partitions], batch.after),
        prepare=True,
    )
    if moved.rowcount != len(batch.partitions):
        raise FencedOffError


def all_partitions(connection: Connection, name: str, generation: int, *, hold: bool = False) -> list[Partition]:
    """Every partition, whether held or not; locked if wanted, once nobody else holds it.

    Who locks holds the generation's row, too: else partitions may be divided meanwhile.
    """
    lock = "FOR UPDATE" if hold else ""
    rows = connection.execute(
        'SELECT first, last, "position" FROM projection.segment '  # noqa: S608 - one of two texts
        f"WHERE name = %s AND generation = %s ORDER BY first {lock}",
        (name, generation),
    ).fetchall()
    return [Partition(*row) for row in rows]


def folded_up_to(partitions: Sequence[Partition], stream: UUID) -> int:
    """Up to where a stream is folded."""
    octet = stream.bytes[-1]
    return next(s.position for s in partitions if s.first <= octet <= s.last)
