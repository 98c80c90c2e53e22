"""Follows the log: batches of events become rows, and the checkpoint moves in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from application.projections.definition import Key, Projection, stream_id
from application.recorded import Recorded
from infrastructure.log.reader import ALL_OCTETS, Connection, Octets, PoisonEventError, Wanted, read_range
from infrastructure.projections.partitions import MOST, hold_partitions, move_partitions, next_batch
from infrastructure.projections.tables import ModelTable, model_table

BATCH = 1_000
"""Positions in one transaction while following; a rebuild reads far more at a time."""
REFUSED_ROW = (psycopg.DataError, psycopg.IntegrityError)
"""The database refuses a row that the fold made: a fault of one event, which it does not name."""
CHANNEL = "reprise_projection"
"""Says that a read model has moved."""


class OtherVersionError(Exception):
    """The rows were made by another version of the definition: this one must not be folded into them."""

    def __init__(self, projection: Projection[Any], version: int) -> None:
        super().__init__(
            f"{projection.name} is there in version {version}; this program has version {projection.version}"
        )


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
    connection: Connection,
    projection: Projection[Any],
    generation: int,
    limit: int = BATCH,
    *,
    most: int = MOST,
    retired: bool = False,
) -> Progress | None:
    """Fold in the next events of some partitions, those furthest behind, and move their checkpoints, all or nothing.

    None if others hold all partitions right now; a retired generation is left alone unless it is wanted back. Raises
    `OtherVersionError`, `PoisonEventError` and `FencedOffError`, and what the
    database raises if it refuses a row of a batch of several positions; then nothing has changed.
    """
    with connection.transaction():
        held = hold_partitions(connection, projection.name, generation, most)
        head = _head_for(connection, projection, generation, retired=retired) if held else None
        if head is None:
            return None
        batch = next_batch(held, head, limit)
        if batch.upto == batch.after:
            return Progress(batch.after, head, 0)
        # Only now, under the lock: whoever lets a stream go holds it, too.
        wanted = wanted_by(projection, left_out(connection, projection.name, generation), batch.octets)
        events = read_range(connection, batch.after, batch.upto, wanted)
        try:
            apply(connection, model_table(projection, generation), events)
        except REFUSED_ROW as error:
            if batch.upto - batch.after > 1:
                raise
            raise PoisonEventError(batch.upto, error) from error
        move_partitions(connection, projection.name, generation, batch)
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, projection.name))
    return Progress(batch.upto, head, len(events))


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation does not fold, because of its letters."""

    held: Mapping[UUID, int] = msgspec.field(default_factory=dict)
    """Streams that are held, and the position of the event each stands before."""
    positions: frozenset[int] = frozenset()
    """Left out for good."""


def left_out(connection: Connection, name: str, generation: int) -> LeftOut:
    """What a generation does not fold."""
    rows = connection.execute(
        """
        SELECT state, stream_id, "position" FROM projection.letter
        WHERE name = %s AND (state = 'resolved' OR (state = 'open' AND generation = %s))
        """,
        (name, generation),
        prepare=True,
    ).fetchall()
    return LeftOut(
        held={stream_id: position for state, stream_id, position in rows if state == "open"},
        positions=frozenset(position for state, _, position in rows if state == "resolved"),
    )


def wanted_by(projection: Projection[Any], without: LeftOut, octets: Octets = ALL_OCTETS) -> Wanted:
    """What a definition wants to see of the log, of some streams or of all."""
    return Wanted(
        topics=projection.topics,
        metadata=projection.reads_metadata,
        personal=projection.personal_topics,
        octets=octets,
        unreadable=projection.lists_unreadable,
        without_streams=frozenset(without.held),
        without_positions=without.positions,
    )


def apply(connection: Connection, table: ModelTable[Any], events: Sequence[Recorded[Any]]) -> None:
    """Fold events into the rows they touch."""
    projection = table.projection
    if projection.appends:
        add(connection, table, fold_all(projection, {}, events).values())
        return
    before = table.load(connection, list({projection.key(event) for event in events}))
    write(connection, table, before, fold_all(projection, dict(before), events))


def add(connection: Connection, table: ModelTable[Any], rows: Collection[Any]) -> int:
    """Add rows whose keys are not there yet, and what they add to the tally; returns how many."""
    count = table.copy(connection, (row for row in rows if row is not None))
    if table.tally:
        table.tally.move(connection, before=(), after=rows)
    return count


def write(connection: Connection, table: ModelTable[Any], before: dict[Any, Any], after: dict[Any, Any]) -> None:
    """Put rows in the place of those before, None for no row, and have the tally follow."""
    table.put(connection, [row for row in after.values() if row is not None])
    table.remove(connection, [key for key, row in after.items() if row is None])
    if table.tally:
        table.tally.move(connection, before.values(), after.values())


def fold_all(projection: Projection[Any], rows: dict[Any, Any], events: Sequence[Recorded[Any]]) -> dict[Any, Any]:
    """The rows after these events, by key; None where a row is to go. Changes and returns `rows`."""
    return _fold_by(projection.key, projection, rows, events)


def fold_many(projection: Projection[Any], rows: dict[Any, Any], events: Sequence[Recorded[Any]]) -> dict[Any, Any]:
    """The same with the rows by whatever tells their keys apart.

    An id is hashed and compared in Python, which takes half as long as the fold; its number is not.
    """
    key = _number_of_stream if projection.key is stream_id else projection.key
    return _fold_by(key, projection, rows, events)


def _number_of_stream(recorded: Recorded[Any]) -> int:
    number: int = recorded.event.originator_id.int
    return number


def _fold_by(
    key_of: Key, projection: Projection[Any], rows: dict[Any, Any], events: Sequence[Recorded[Any]]
) -> dict[Any, Any]:
    fold = projection.fold
    for recorded in events:
        try:
            key = key_of(recorded)
            rows[key] = fold(rows.get(key), recorded)
        except Exception as error:
            raise PoisonEventError(recorded.position, error) from error
    return rows


def _head_for(connection: Connection, projection: Projection[Any], generation: int, *, retired: bool) -> int | None:
    """The log's head, if these rows are to be folded into: asked once the partitions are held, when it is settled."""
    row = connection.execute(
        """
        SELECT h."position", g.version FROM projection.generation g CROSS JOIN log.tip h
        WHERE g.name = %s AND g.generation = %s AND (g.state = 'retired') = %s
        """,
        (projection.name, generation, retired),
        prepare=True,
    ).fetchone()
    if row is not None and row[1] != projection.version:
        raise OtherVersionError(projection, row[1])
    return None if row is None else row[0]
