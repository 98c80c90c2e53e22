"""The recorded parts of a new generation, so that a rebuild continues where a killed one ended.

A model with one row for each stream is folded in ranges of streams; one with a row for each event in ranges of
positions. Parts do not depend on each other.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

from application.projections.definition import Projection
from infrastructure.log.reader import Connection
from infrastructure.log.stream_reader import ALL_STREAMS, Streams

EVENTS_PER_PART = 600_000
"""About how many events a range of streams has: the database sorts a hundred megabytes of them, and what they make is
held in memory until all of it is there."""
EVENTS_PER_RANGE = 100_000
"""Positions in a part of a list of events, each of which may have a row."""
DRAWN_PER_PART = 200
"""Events that are looked at to find ranges of streams that have equally many: more or less by a tenth."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the work: some streams, or some positions."""

    after: int
    upto: int
    streams: Streams = ALL_STREAMS
    events: int
    """About how many it has."""
    number: int = 0
    rows: int | None = None
    """The number of rows, if it is filled."""


class PartIsFilledError(Exception):
    """Somebody else has filled a part meanwhile: these rows must not be written again."""


def parts(connection: Connection, projection: Projection[Any], upto: int, processes: int) -> list[Part]:
    """The pieces that make up the whole log up to a position."""
    count = count_of_parts(projection, upto, processes)
    bounds = [upto * number // count for number in range(count + 1)]
    if projection.appends:
        ranges = [(after, end) for after, end in pairwise(bounds) if after < end]
        return [
            Part(after=after, upto=end, events=end - after, number=number) for number, (after, end) in enumerate(ranges)
        ]
    ranges_of_streams = _ranges_of_streams(connection, projection, upto, count)
    shares = [upto * number // len(ranges_of_streams) for number in range(len(ranges_of_streams) + 1)]
    return [
        Part(after=0, upto=upto, streams=streams, events=end - begin, number=number)
        for number, (streams, (begin, end)) in enumerate(zip(ranges_of_streams, pairwise(shares), strict=True))
    ]


def count_of_parts(projection: Projection[Any], upto: int, processes: int) -> int:
    """How many pieces keep so many processes busy to the end, and are of a bounded size."""
    size = EVENTS_PER_RANGE if projection.appends else EVENTS_PER_PART
    # As many for each process: otherwise one of them works on the last part while the others have nothing to do.
    return processes * max(1, -(-upto // (size * processes)))


def _ranges_of_streams(connection: Connection, projection: Projection[Any], upto: int, most: int) -> list[Streams]:
    """Ranges that have about equally many of the facts that are read, by those at some positions."""
    drawn = min(upto, DRAWN_PER_PART * most) if most > 1 else 0
    rows = connection.execute(
        'SELECT stream_id FROM log.event WHERE "position" = ANY (%s::bigint[]) AND topic = ANY (%s) ORDER BY stream_id',
        ([upto * number // drawn for number in range(1, drawn + 1)], projection.topics),
    ).fetchall()
    begins = {rows[len(rows) * number // most][0].int for number in range(1, most)} if rows else set()
    edges = sorted({ALL_STREAMS.first.int, *begins, ALL_STREAMS.last.int + 1})
    return [Streams(UUID(int=first), UUID(int=end - 1)) for first, end in pairwise(edges)]


def plan(connection: Connection, name: str, generation: int, pieces: Sequence[Part]) -> None:
    """Put on record what is to be filled; part of the caller's transaction."""
    for part in pieces:
        connection.execute(
            'INSERT INTO projection.part (name, generation, number, "after", upto, first_stream, last_stream, events) '
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (name, generation, part.number, part.after, part.upto, *part.streams, part.events),
        )


def planned(connection: Connection, name: str, generation: int) -> list[Part]:
    """What is to be filled, and what of it is."""
    rows = connection.execute(
        'SELECT "after", upto, first_stream, last_stream, events, number, rows FROM projection.part '
        "WHERE name = %s AND generation = %s ORDER BY number",
        (name, generation),
    ).fetchall()
    return [
        Part(after=after, upto=upto, streams=Streams(first, last), events=events, number=number, rows=count)
        for after, upto, first, last, events, number, count in rows
    ]


def note_filled(connection: Connection, name: str, generation: int, part: Part, rows: int) -> None:
    """Put on record that a part is filled, in the transaction that fills it. Raises `PartIsFilledError`."""
    noted = connection.execute(
        "UPDATE projection.part SET rows = %s WHERE name = %s AND generation = %s AND number = %s AND rows IS NULL",
        (rows, name, generation, part.number),
    )
    if noted.rowcount != 1:
        raise PartIsFilledError
