"""Checks rows of a read model against the log, folded again in the simplest way: one stream, from its beginning.

Rows, checkpoint, letters and events are read in one snapshot, so a model can be checked while it is followed.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.projections.definition import Projection
from domain.values import ERASED
from infrastructure.log.reader import (
    POSITION,
    STREAM_ID,
    Connection,
    PoisonEventError,
    Wanted,
    fetch_range,
    fetch_streams,
    wanted_facts,
)
from infrastructure.projections.follow.following import LeftOut, fold_all, left_out
from infrastructure.projections.partitions import Partition, all_partitions, folded_up_to
from infrastructure.projections.tables import ModelTable

SAMPLE = 1_000
"""Rows that are checked before a generation may take over."""
AT_ONCE = 500
"""Streams, or positions, checked in one snapshot."""
MOST_SHOWN = 20
"""The maximum number of differences kept."""
PRESENCE = "presence"
"""What differs where one side has a row and the other one none."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row that differs from the log. The values are only for the caller and are not stored."""

    key: Any
    columns: list[str]
    expected: Any
    actual: Any


class RowDiffersError(Exception):
    """A row is not what the log says. Its text names the model, the key and the columns, and no values."""

    def __init__(self, name: str, difference: Difference, than: str = "the log") -> None:
        super().__init__(f"{name} row {difference.key}: {', '.join(difference.columns)} differ from {than}")
        self.difference = difference


class Verification(msgspec.Struct, kw_only=True):
    """The result of a check."""

    rows: int = 0
    differing: int = 0
    differences: list[Difference] = msgspec.field(default_factory=list)
    """The first of them."""
    unreadable: list[PoisonEventError] = msgspec.field(default_factory=list)
    """Events that were folded once and cannot be any more: whether the rows they concern are right is not known."""

    def add(self, found: "Verification") -> None:
        """Add the result of another part of the check."""
        self.rows += found.rows
        self.differing += found.differing
        self.differences = (self.differences + found.differences)[:MOST_SHOWN]
        self.unreadable = (self.unreadable + found.unreadable)[:MOST_SHOWN]


class Snapshot(NamedTuple):
    """A generation at one moment."""

    projection: Projection[Any]
    table: ModelTable[Any]
    """May hold fewer columns than the definition makes: then only those are checked."""
    connection: Connection
    partitions: Sequence[Partition]
    without: LeftOut

    @property
    def checkpoint(self) -> int:
        """No event after it is folded; some streams' last events before it may not be, either."""
        return max((partition.position for partition in self.partitions), default=0)

    @property
    def wanted(self) -> Wanted:
        """All events that may matter; those of held-back streams are cut off later."""
        projection = self.projection
        return Wanted(
            topics=projection.topics,
            metadata=projection.reads_metadata,
            personal=projection.personal_topics,
            unreadable=projection.lists_unreadable,
            without_positions=self.without.positions,
        )

    def compared(self, rows: Sequence[Any], actual: dict[Any, Any]) -> Verification:
        """Rows of the model against those that rows of the log come to, each stream's as far as it was folded."""
        rows = [row for row in rows if self._is_folded(row[STREAM_ID], row[POSITION])]
        try:
            return compare(self.table.columns, self._expected(rows), actual)
        except PoisonEventError:
            return self._compared_each(rows, actual)

    def _expected(self, rows: Sequence[Any]) -> dict[Any, Any]:
        folded = fold_all(self.projection, {}, wanted_facts(rows, self.wanted))
        return {key: self._in_columns(row) for key, row in folded.items() if row is not None}

    def _compared_each(self, rows: Sequence[Any], actual: dict[Any, Any]) -> Verification:
        """The same row by row, without those that can no longer be said to be right or wrong."""
        by_key = defaultdict[Any, list[Any]](list)
        for row in rows:
            by_key[row[POSITION] if self.projection.appends else row[STREAM_ID]].append(row)
        expected: dict[Any, Any] = {}
        unreadable: list[PoisonEventError] = []
        actual = dict(actual)
        for key, of_key in by_key.items():
            try:
                expected |= self._expected(of_key)
            except PoisonEventError as poison:
                unreadable.append(poison)
                actual.pop(key, None)
        found = compare(self.table.columns, expected, actual)
        found.unreadable = unreadable
        return found

    def _is_folded(self, stream: UUID, position: int) -> bool:
        held_at = self.without.held.get(stream, position + 1)
        return position < held_at and position <= folded_up_to(self.partitions, stream)

    def _in_columns(self, row: Any) -> Any:
        kind = self.table.projection.row
        if kind is self.projection.row:
            return row
        return kind(**{column: getattr(row, column) for column in self.table.columns})


def verify_sample(connection: Connection, projection: Projection[Any], generation: int, sample: int = SAMPLE) -> int:
    """Check some randomly chosen rows, and all counts; returns how many rows.

    Raises `RowDiffersError` at the first wrong one, and `PoisonEventError` if one cannot be checked.
    """
    found = check_sample(connection, projection, ModelTable(projection, generation), sample)
    found.add(check_tally(connection, projection, generation))
    if found.differences:
        raise RowDiffersError(projection.name, found.differences[0])
    if found.unreadable:
        raise found.unreadable[0]
    return found.rows


def check_sample(
    connection: Connection, projection: Projection[Any], table: ModelTable[Any], sample: int
) -> Verification:
    """Check the rows of some events, and the events of some rows."""
    found = Verification()
    for size in (min(AT_ONCE, sample - done) for done in range(0, sample, AT_ONCE)):
        with snapshot(connection, projection, table) as moment:
            found.add(_check_positions(moment, size) if projection.appends else _check_some_streams(moment, size))
            if moment.checkpoint <= AT_ONCE:  # That was all there is.
                break
    return found


def check_all(connection: Connection, projection: Projection[Any], generation: int) -> Iterator[Verification]:
    """Check every row, that there are no extra rows, and the counts; part by part, in bounded memory."""
    table = ModelTable(projection, generation)
    after: Any = 0 if projection.appends else UUID(int=0)
    while after is not None:
        with snapshot(connection, projection, table) as moment:
            found, after = _check_range(moment, after) if projection.appends else _check_streams_after(moment, after)
        yield found
    yield check_tally(connection, projection, generation)


@contextmanager
def snapshot(connection: Connection, projection: Projection[Any], table: ModelTable[Any]) -> Iterator[Snapshot]:
    """A generation as it is now, whatever is written meanwhile."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        partitions = all_partitions(connection, projection.name, table.generation)
        without = left_out(connection, projection.name, table.generation)
        yield Snapshot(projection, table, connection, partitions, without)


def check_tally(connection: Connection, projection: Projection[Any], generation: int) -> Verification:
    """Check that every count is the sum of what the rows add to it."""
    table = ModelTable(projection, generation)
    if table.tally is None:
        return Verification()
    with snapshot(connection, projection, table):
        tally = table.tally.tally
        expected = tally.counts(tally.sum(table.all(connection)))
        return compare(table.tally.columns, expected, table.tally.load(connection))


def compare(columns: Sequence[str], expected: dict[Any, Any], actual: dict[Any, Any]) -> Verification:
    """Rows that ought to be there, against those that are."""
    found = Verification()
    for key in expected.keys() | actual.keys():
        found.rows += 1
        wanted, there = expected.get(key), actual.get(key)
        # The key is gone, and the model has yet to fold why: whichever of the two its row shows, it goes soon.
        if wanted != there and not (wanted is not None and ERASED in msgspec.structs.astuple(wanted)):
            found.differing += 1
            which = differing_columns(columns, wanted, there)
            found.differences.append(Difference(key=key, columns=which, expected=wanted, actual=there))
    found.differences = sorted(found.differences, key=lambda difference: str(difference.key))[:MOST_SHOWN]
    return found


def differing_columns(columns: Sequence[str], expected: Any, actual: Any) -> list[str]:
    """The columns in which two rows differ."""
    if expected is None or actual is None:
        return [PRESENCE]
    return [column for column in columns if getattr(expected, column) != getattr(actual, column)]


def _check_positions(moment: Snapshot, count: int) -> Verification:
    drawn = random.sample(range(1, moment.checkpoint + 1), min(count, moment.checkpoint))
    facts = [row for at in drawn for row in fetch_range(moment.connection, at - 1, at, moment.wanted)]
    return moment.compared(facts, moment.table.load(moment.connection, drawn))


def _check_some_streams(moment: Snapshot, count: int) -> Verification:
    # Of a log that is no longer than this, all is checked.
    events = count if moment.checkpoint <= count else count - count // 2
    streams = streams_of_some_events(moment, events) | _keys_of_some_rows(moment, count // 2)
    return _check_streams(moment, list(streams))


def streams_of_some_events(moment: Snapshot, count: int) -> set[UUID]:
    """Randomly chosen streams; those with more events are more likely."""
    drawn = random.sample(range(1, moment.checkpoint + 1), min(count, moment.checkpoint))
    rows = moment.connection.execute(
        'SELECT DISTINCT stream_id FROM log.event WHERE "position" = ANY (%s)', (drawn,)
    ).fetchall()
    return {stream_id for (stream_id,) in rows}


def _keys_of_some_rows(moment: Snapshot, count: int) -> set[UUID]:
    bounds = moment.table.key_bounds(moment.connection)
    if bounds is None:
        return set()
    low, high = (bound.int for bound in bounds)
    draws = [UUID(int=random.randint(low, high)) for _ in range(count)]  # noqa: S311 - no secret
    return moment.table.next_keys(moment.connection, draws)


def _check_streams(moment: Snapshot, streams: list[UUID]) -> Verification:
    facts = fetch_streams(moment.connection, streams, moment.checkpoint, moment.wanted)
    return moment.compared(facts, moment.table.load(moment.connection, streams))


def _check_streams_after(moment: Snapshot, after: UUID) -> tuple[Verification, UUID | None]:
    rows = moment.connection.execute(
        "SELECT stream_id FROM log.event WHERE stream_id > %s GROUP BY stream_id ORDER BY stream_id LIMIT %s",
        (after, AT_ONCE),
    ).fetchall()
    streams = [stream_id for (stream_id,) in rows]
    last = streams[-1] if len(streams) == AT_ONCE else None
    facts = fetch_streams(moment.connection, streams, moment.checkpoint, moment.wanted)
    actual = moment.table.load_range(moment.connection, after if after.int else None, last)
    return moment.compared(facts, actual), last


def _check_range(moment: Snapshot, after: int) -> tuple[Verification, int | None]:
    upto = after + AT_ONCE
    last = upto if upto < moment.checkpoint else None
    facts = fetch_range(moment.connection, after, min(upto, moment.checkpoint), moment.wanted)
    actual = moment.table.load_range(moment.connection, after or None, last)
    return moment.compared(facts, actual), last
