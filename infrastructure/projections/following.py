"""Follows the log: batches of events become rows, and the checkpoint moves in the same transaction."""

from collections.abc import Sequence
from typing import Any

import msgspec

from application.projections import Projection
from application.recorded import Recorded
from infrastructure.log_reader import Connection, PoisonEventError, Wanted, read_head, read_range
from infrastructure.projections.tables import ModelTable

BATCH = 1_000
"""Positions in one transaction while following; a rebuild reads far more at a time."""
CHANNEL = "reprise_projection"
"""Says that a read model has moved."""


class FencedOffError(Exception):
    """Another worker moved the checkpoint: this one's batch is void."""


class Progress(msgspec.Struct, frozen=True):
    """Where a generation stands after a batch."""

    position: int
    head: int
    events: int

    @property
    def is_at_head(self) -> bool:
        """Whether there was nothing more to fold."""
        return self.position >= self.head


def follow_batch(
    connection: Connection, projection: Projection[Any], generation: int, limit: int = BATCH
) -> Progress | None:
    """Fold in the next events and move the checkpoint, all or nothing.

    None if another worker holds this generation right now. Raises `PoisonEventError` and `FencedOffError`; then nothing
    has changed.
    """
    with connection.transaction():
        checkpoint = _lock_checkpoint(connection, projection.name, generation)
        if checkpoint is None:
            return None
        head = read_head(connection)
        upto = min(checkpoint + limit, head.position)
        if upto == checkpoint:
            return Progress(checkpoint, head.position, 0)
        events = read_range(connection, checkpoint, upto, wanted_by(projection))
        apply(connection, ModelTable(projection, generation), events)
        _move_checkpoint(connection, projection.name, generation, checkpoint, upto)
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, projection.name))
    return Progress(upto, head.position, len(events))


def wanted_by(projection: Projection[Any]) -> Wanted:
    """What a definition wants to see of the log."""
    return Wanted(topics=projection.topics, metadata=projection.reads_metadata)


def apply(connection: Connection, table: ModelTable[Any], events: Sequence[Recorded[Any]]) -> None:
    """Fold events into the rows they touch."""
    projection = table.projection
    if projection.appends:
        rows = fold_all(projection, {}, events)
        table.copy(connection, (row for row in rows.values() if row is not None))
        return
    keys = list({projection.key(event) for event in events})
    rows = fold_all(projection, dict(table.load(connection, keys)), events)
    table.put(connection, [row for row in rows.values() if row is not None])
    table.remove(connection, [key for key, row in rows.items() if row is None])


def fold_all(projection: Projection[Any], rows: dict[Any, Any], events: Sequence[Recorded[Any]]) -> dict[Any, Any]:
    """The rows after these events, by key; None where a row is to go. Changes and returns `rows`."""
    for recorded in events:
        try:
            key = projection.key(recorded)
            rows[key] = projection.fold(rows.get(key), recorded)
        except Exception as error:
            raise PoisonEventError(recorded.position, error) from error
    return rows


def _lock_checkpoint(connection: Connection, name: str, generation: int) -> int | None:
    row = connection.execute(
        """
        SELECT "position" FROM projection.generation
        WHERE name = %s AND generation = %s AND state <> 'retired' FOR UPDATE SKIP LOCKED
        """,
        (name, generation),
        prepare=True,
    ).fetchone()
    return None if row is None else row[0]


def _move_checkpoint(connection: Connection, name: str, generation: int, old: int, new: int) -> None:
    moved = connection.execute(
        """
        UPDATE projection.generation g SET "position" = %(new)s, recorded_at = e.recorded_at, failure = NULL
        FROM log.event e
        WHERE g.name = %(name)s AND g.generation = %(generation)s AND g."position" = %(old)s AND e."position" = %(new)s
        """,
        {"name": name, "generation": generation, "old": old, "new": new},
        prepare=True,
    )
    if moved.rowcount != 1:
        raise FencedOffError
