"""The parts in which a new generation is filled, on record, so that a rebuild goes on where a killed one has ended.

A model with one row for each stream is folded in shares of the streams; one with a row for each fact in ranges of
positions. Parts do not depend on each other.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from application.projections import Projection
from infrastructure.log_reader import ALL_OCTETS, Connection, Octets

EVENTS_PER_PART = 2_500_000
"""About how many events a share of the streams has: its rows are held in memory, some hundred megabytes."""
EVENTS_PER_RANGE = 250_000
"""Of positions. Each event is read once however many ranges there are, so that they can be small."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the work: some streams, or some positions."""

    after: int
    upto: int
    octets: Octets = ALL_OCTETS
    number: int = 0
    rows: int | None = None
    """How many it came to, if it is filled."""


class PartIsFilledError(Exception):
    """Somebody else has filled a part meanwhile: these rows must not be written again."""


def parts(projection: Projection[Any], upto: int, processes: int) -> list[Part]:
    """The pieces that make up the whole log up to a position."""
    size = EVENTS_PER_RANGE if projection.appends else EVENTS_PER_PART
    # As many for each process: otherwise one of them works on the last part while the others have nothing to do.
    count = processes * max(1, -(-upto // (size * processes)))
    if projection.appends:
        bounds = [upto * number // count for number in range(count + 1)]
        ranges = [(after, end) for after, end in pairwise(bounds) if after < end]
        return [Part(after=after, upto=end, number=number) for number, (after, end) in enumerate(ranges)]
    count = min(256, count)
    edges = [256 * number // count for number in range(count + 1)]
    return [
        Part(after=0, upto=upto, octets=((first, end - 1),), number=number)
        for number, (first, end) in enumerate(pairwise(edges))
    ]


def plan(connection: Connection, name: str, generation: int, pieces: Sequence[Part]) -> None:
    """Put on record what is to be filled; part of the caller's transaction."""
    for part in pieces:
        ((first, last),) = part.octets
        connection.execute(
            "INSERT INTO projection.part VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (name, generation, part.number, part.after, part.upto, first, last),
        )


def planned(connection: Connection, name: str, generation: int) -> list[Part]:
    """What is to be filled, and what of it is."""
    rows = connection.execute(
        'SELECT "after", upto, first, last, number, rows FROM projection.part '
        "WHERE name = %s AND generation = %s ORDER BY number",
        (name, generation),
    ).fetchall()
    return [
        Part(after=after, upto=upto, octets=((first, last),), number=number, rows=count)
        for after, upto, first, last, number, count in rows
    ]


def note_filled(connection: Connection, name: str, generation: int, part: Part, rows: int) -> None:
    """Put on record that a part is filled, in the transaction that fills it. Raises `PartIsFilledError`."""
    noted = connection.execute(
        "UPDATE projection.part SET rows = %s WHERE name = %s AND generation = %s AND number = %s AND rows IS NULL",
        (rows, name, generation, part.number),
    )
    if noted.rowcount != 1:
        raise PartIsFilledError
