"""A whole read model as it stood at a position, rows or counts, folded from the log without touching the live one.

It is folded in parts, like a rebuild, so memory is bounded by the size of a part and not by that of the model.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg

from application.projections.definition import Projection
from infrastructure.log.reader import Connection, read_head
from infrastructure.projections.follow.following import LeftOut, left_out, wanted_by
from infrastructure.projections.rebuild.folding import fold_part
from infrastructure.projections.rebuild.parts import parts


class PositionNotInLogError(ValueError):
    """The log does not go that far."""


def rows_as_of(conninfo: str, projection: Projection[Any], position: int) -> Iterator[Any]:
    """Every row there was when the log ended at a position, in no particular order.

    Raises `PositionNotInLogError`, and `PoisonEventError` at an event that cannot be folded.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if not 0 <= position <= read_head(connection).position:
            raise PositionNotInLogError(position)
        without = LeftOut(positions=left_out(connection, projection.name, generation=0).positions)
        wanted = wanted_by(projection, without)
        for part in parts(connection, projection, position, processes=1):
            for rows in fold_part(connection, projection, part, wanted):
                yield from (row for row in rows if row is not None)


def counts_as_of(conninfo: str, projection: Projection[Any], position: int) -> Iterator[Any]:
    """Every count that the rows of then come to, in the order of their keys; none if the model keeps no counts.

    Raises like `rows_as_of`.
    """
    if projection.tally is not None:
        counts = projection.tally.counts(projection.tally.sum(rows_as_of(conninfo, projection, position)))
        yield from (counts[key] for key in sorted(counts))


def position_at(connection: Connection, instant: datetime) -> int:
    """The last position that was recorded at an instant or before; 0 if there is none."""
    row = connection.execute("SELECT log.position_before(%s + interval '1 microsecond')", (instant,)).fetchone()
    return row[0] if row else 0
