"""Shares the streams of a read model out among all who follow it: a partition for each follower, or several.

Who follows holds an advisory lock for as long as its connection lives, so followers are counted without heartbeats.
"""

import time
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from application.projections.definition import Projection
from infrastructure.log.reader import Connection
from infrastructure.projections.partitions import MOST, Partition, all_partitions, hold_partitions

LOOK_SECONDS = 1.0
"""How often a follower looks how many there are."""
_PRESENT = zlib.crc32(b"reprise followers") & 0x7FFFFFFF
"""The class of the advisory locks of those who follow."""


class Share:
    """How much of a read model one follower takes at a time."""

    def __init__(self, projection: Projection[Any]) -> None:
        self._projection = projection
        self._connection: Connection | None = None
        self._due = 0.0
        self._most = MOST

    def most(self, connection: Connection, generation: int) -> int:
        """The maximum number of partitions to hold; divides or joins some now and then.

        A model with a tally is never divided, because its counts must be of one position.
        """
        if self._projection.tally or time.monotonic() < self._due:
            return self._most
        if connection is not self._connection:
            announce(connection, self._projection)
            self._connection = connection
        followers = count_followers(connection, self._projection)
        partitions = share_out(connection, self._projection.name, generation, followers)
        self._most = MOST if followers <= 1 else -(-partitions // followers)
        self._due = time.monotonic() + LOOK_SECONDS
        return self._most


def announce(connection: Connection, projection: Projection[Any]) -> None:
    """Count as one who follows this version of a model, as long as the connection lives."""
    connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (_PRESENT, _key(projection)))


def count_followers(connection: Connection, projection: Projection[Any]) -> int:
    """How many connections follow this version of a model."""
    row = connection.execute(
        """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s AND objid = %s
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        (_PRESENT, _key(projection)),
        prepare=True,
    ).fetchone()
    return int(row[0]) if row else 0


def _key(projection: Projection[Any]) -> int:
    return zlib.crc32(f"{projection.name} {projection.version}".encode()) & 0x7FFFFFFF


def share_out(connection: Connection, name: str, generation: int, followers: int) -> int:
    """Divide or join partitions that nobody holds, until there is one for each follower; returns how many there are."""
    wanted = max(1, min(followers, MOST))
    count = len(all_partitions(connection, name, generation))
    if count == wanted:
        return count
    with connection.transaction():
        if not _lock_generation(connection, name, generation):
            return count
        count = len(all_partitions(connection, name, generation))
        free = sorted(hold_partitions(connection, name, generation))
        steps = _divided(free, wanted - count) if count < wanted else _joined(free, count - wanted)
        for old, new in steps:
            _replace(connection, name, generation, old, new)
            count += len(new) - len(old)
    return count


Step = tuple[Sequence[Partition], Sequence[Partition]]
"""Partitions, and those that take their place."""


def _divided(free: list[Partition], most: int) -> Iterator[Step]:
    """Halve the widest, again and again."""
    for _ in range(most):
        widest = max(free, key=lambda s: s.last - s.first, default=None)
        if widest is None or widest.first == widest.last:
            return
        middle = (widest.first + widest.last) // 2
        halves = [widest._replace(last=middle), widest._replace(first=middle + 1)]
        free[:] = [*(partition for partition in free if partition != widest), *halves]
        yield [widest], halves


def _joined(free: list[Partition], most: int) -> Iterator[Step]:
    """Make one of two neighbours that stand at the same position."""
    for _ in range(most):
        for one, other in pairwise(free):
            if one.last + 1 == other.first and one.position == other.position:
                whole = one._replace(last=other.last)
                free[:] = sorted([*(s for s in free if s not in {one, other}), whole])
                yield [one, other], [whole]
                break
        else:
            return


def _replace(
    connection: Connection, name: str, generation: int, old: Sequence[Partition], new: Sequence[Partition]
) -> None:
    connection.execute(
        "DELETE FROM projection.segment WHERE name = %s AND generation = %s AND first = ANY (%s)",
        (name, generation, [partition.first for partition in old]),
    )
    for partition in new:
        connection.execute(
            'INSERT INTO projection.segment (name, generation, first, last, "position") VALUES (%s, %s, %s, %s, %s)',
            (name, generation, *partition),
        )


def _lock_generation(connection: Connection, name: str, generation: int) -> Any:
    return connection.execute(
        "SELECT true FROM projection.generation WHERE name = %s AND generation = %s AND state = 'live' "
        "FOR UPDATE SKIP LOCKED",
        (name, generation),
    ).fetchone()
