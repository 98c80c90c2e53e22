"""Builds a new generation of a read model beside the live one, and switches to it in one short transaction."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec

from application.projections import Projection
from infrastructure.log_reader import Connection, read_chunks, read_head
from infrastructure.projections.following import Progress, fold_all, follow_batch
from infrastructure.projections.generations import add_generation, ensure_live
from infrastructure.projections.tables import ModelTable

EVENTS_PER_PASS = 1_500_000
"""How many events' worth of rows are held in memory at a time; a longer log is read in several passes, by stream."""
SWITCH_WITHIN = 500
"""Positions that the new generation may be behind when the switch begins: it folds in the rest under the lock."""

OnProgress = Callable[["RebuildProgress"], None]


class RebuildProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rebuild has come."""

    phase: str
    events_done: int = 0
    events_total: int = 0
    rows_written: int = 0


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild came to."""

    generation: int
    position: int
    events: int
    rows: int


def rebuild(connection: Connection, projection: Projection[Any], on_progress: OnProgress = lambda _: None) -> Rebuilt:
    """Fill a new generation from position 1 and make it the live one; the old one serves, and is followed, until then.

    On any error the new generation is thrown away and the old one stays. Raises `PoisonEventError` at the first event
    that cannot be folded.
    """
    ensure_live(connection, projection)
    with connection.transaction():
        drop_abandoned(connection, projection)
        generation = add_generation(connection, projection, "building")
    table = ModelTable(projection, generation)
    try:
        head = read_head(connection)
        rows = _fill(connection, table, head.position, on_progress)
        on_progress(
            RebuildProgress(phase="index", events_done=head.position, events_total=head.position, rows_written=rows)
        )
        table.create_indexes(connection)
        _set_checkpoint(connection, projection.name, generation, head.position)
        on_progress(
            RebuildProgress(phase="catch_up", events_done=head.position, events_total=head.position, rows_written=rows)
        )
        _catch_up(connection, projection, generation)
        position = _switch(connection, projection, generation)
    except BaseException:
        with connection.transaction():
            _discard(connection, projection, generation)
        raise
    return Rebuilt(generation=generation, position=position, events=head.position, rows=rows)


def drop_abandoned(connection: Connection, projection: Projection[Any]) -> None:
    """Throw away what a killed rebuild left behind, and generations older than the one before the live one."""
    rows = connection.execute(
        """
        SELECT generation FROM projection.generation g
        WHERE name = %(name)s AND (state = 'building' OR (state = 'retired' AND generation < (
            SELECT max(generation) FROM projection.generation r WHERE r.name = g.name AND r.state = 'retired')))
        FOR UPDATE
        """,
        {"name": projection.name},
    ).fetchall()
    for (generation,) in rows:
        _discard(connection, projection, generation)


def _fill(connection: Connection, table: ModelTable[Any], upto: int, on_progress: OnProgress) -> int:
    """Write the rows that all events up to a position come to; returns how many."""
    passes = 1 if table.projection.appends else max(1, -(-upto // EVENTS_PER_PASS))
    written = 0
    for number in range(passes):
        for done, rows in _folded(connection, table.projection, upto, number, passes):
            written += table.copy(connection, rows)
            share = (number * upto + done) // passes
            on_progress(RebuildProgress(phase="fill", events_done=share, events_total=upto, rows_written=written))
    return written


def _folded(
    connection: Connection, projection: Projection[Any], upto: int, number: int, passes: int
) -> Iterator[tuple[int, list[Any]]]:
    """Finished rows, with the position reached: at once where each event makes its own, else at the end of the pass."""
    rows: dict[Any, Any] = {}
    for reached, events in read_chunks(connection, 0, upto, projection.topics):
        mine = events if passes == 1 else [e for e in events if bucket(e.event.originator_id, passes) == number]
        fold_all(projection, rows, mine)
        if projection.appends:
            yield reached, list(rows.values())
            rows.clear()
        else:
            yield reached, []
    yield upto, [row for row in rows.values() if row is not None]


def bucket(stream_id: UUID, buckets: int) -> int:
    """The bucket a stream belongs to: its last octets are random in version 7 and a keyed hash in version 8."""
    return int.from_bytes(stream_id.bytes[-4:]) % buckets


def _set_checkpoint(connection: Connection, name: str, generation: int, position: int) -> None:
    connection.execute(
        """
        UPDATE projection.generation SET "position" = %s,
            recorded_at = coalesce((SELECT recorded_at FROM log.event WHERE "position" = %s), recorded_at)
        WHERE name = %s AND generation = %s
        """,
        (position, position, name, generation),
    )


def _catch_up(connection: Connection, projection: Projection[Any], generation: int) -> None:
    progress: Progress | None = None
    while progress is None or progress.head - progress.position > SWITCH_WITHIN:
        progress = follow_batch(connection, projection, generation, limit=5_000)


def _switch(connection: Connection, projection: Projection[Any], generation: int) -> int:
    """Make a generation the live one; returns its checkpoint, which is not behind that of the old one."""
    with connection.transaction():
        # The old generation stands still from here on, so a reader never sees the model go back.
        row = connection.execute(
            """SELECT "position" FROM projection.generation WHERE name = %s AND state = 'live' FOR UPDATE""",
            (projection.name,),
        ).fetchone()
        old = row[0] if row else 0
        position = -1
        while position < old:
            progress = follow_batch(connection, projection, generation, limit=5_000)
            position = progress.position if progress else position
        connection.execute(
            "UPDATE projection.generation SET state = 'retired' WHERE name = %s AND state = 'live'", (projection.name,)
        )
        connection.execute(
            "UPDATE projection.generation SET state = 'live', switched_at = clock_timestamp() "
            "WHERE name = %s AND generation = %s",
            (projection.name, generation),
        )
    return position


def _discard(connection: Connection, projection: Projection[Any], generation: int) -> None:
    ModelTable(projection, generation).drop(connection)
    connection.execute(
        "DELETE FROM projection.generation WHERE name = %s AND generation = %s", (projection.name, generation)
    )
