"""Folds parts of the log: the rows come out as they are done, with nothing but the stream at hand in memory."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from application.projections.definition import Projection
from infrastructure.log.reader import Connection, Wanted, read_pieces
from infrastructure.log.stream_reader import read_streams
from infrastructure.projections.follow.following import fold_all, fold_many
from infrastructure.projections.rebuild.parts import Part

OnEvents = Callable[[int], None]
"""Called now and then with the number of additional events done."""


def fold_part(
    connection: Connection,
    projection: Projection[Any],
    part: Part,
    wanted: Wanted,
    on_events: OnEvents = lambda _: None,
) -> Iterator[Collection[Any]]:
    """The rows of a part (None for no row), some at a time; `on_events` is called for part.events in total.

    Raises `PoisonEventError`.
    """
    fold = _fold_positions if projection.appends else _fold_streams
    done = 0
    for events, rows in fold(connection, projection, part, wanted):
        yield rows
        more = min(events, part.events - done)
        on_events(more)
        done += more
    on_events(part.events - done)


def _fold_positions(
    connection: Connection, projection: Projection[Any], part: Part, wanted: Wanted
) -> Iterator[tuple[int, Collection[Any]]]:
    after = part.after
    for end, events in read_pieces(connection, part.after, part.upto, wanted):
        yield end - after, fold_all(projection, {}, events).values()
        after = end


def _fold_streams(
    connection: Connection, projection: Projection[Any], part: Part, wanted: Wanted
) -> Iterator[tuple[int, Collection[Any]]]:
    rows: dict[Any, Any] = {}
    for events in read_streams(connection, part.streams, part.upto, wanted):
        fold_many(projection, rows, events)
        # The last stream may go on in the next piece.
        unfinished = dict([rows.popitem()])
        yield len(events), rows.values()
        rows = unfinished
    yield 0, rows.values()
