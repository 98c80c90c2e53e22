"""Reads the log in the order of its positions, in bulk.

Because positions have no gaps and become visible in their order, a range of positions is all it takes: no cursor is
held open, nothing is missed, and a reader that looks for few topics still moves on past all the others.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from application.recorded import Recorded
from infrastructure.event_codec import UndecodableEventError, UnknownTopicError, decode

Connection = psycopg.Connection[TupleRow]

CHUNK = 10_000
"""Positions read at a time: some megabytes."""

_HEAD = """SELECT "position", CASE WHEN isfinite(recorded_at) THEN recorded_at END FROM log.head"""
_COLUMNS = """
    e.topic, e.state, e.stream_id, e.version, e.recorded_at, e."position", e.actor, e.on_behalf_of, e.client, e.reason,
    e.command_id, e.correlation_id, e.causation_id, e.trace_id"""
_RANGE = f"""
SELECT {_COLUMNS} FROM log.event e
WHERE e."position" > %(after)s AND e."position" <= %(upto)s AND e.topic = ANY (%(topics)s::text[])
ORDER BY e."position"
"""  # noqa: S608 - constants of this module


class PoisonEventError(Exception):
    """An event that cannot be read or folded. Names the position and the kind of error, and no data."""

    def __init__(self, position: int, error: Exception) -> None:
        super().__init__(f"position {position}: {type(error).__name__}")
        self.position = position


class Head(msgspec.Struct, frozen=True):
    """The last position that was given out, and its instant."""

    position: int
    recorded_at: datetime | None


def read_head(connection: Connection) -> Head:
    """Where the log ends now; the instant is None as long as the log is empty."""
    row = connection.cursor(binary=True).execute(_HEAD).fetchone()
    assert row is not None  # noqa: S101 - migration 0001 puts the row there and nobody may delete it
    return Head(*row)


def read_range(connection: Connection, after: int, upto: int, topics: Sequence[str]) -> list[Recorded[Any]]:
    """The events of some topics in (after, upto], in order. Raises `PoisonEventError`."""
    cursor = connection.cursor(binary=True)
    cursor.execute(_RANGE, {"after": after, "upto": upto, "topics": topics}, prepare=True)
    return [recorded(row) for row in cursor]


def read_chunks(
    connection: Connection, after: int, upto: int, topics: Sequence[str], chunk: int = CHUNK
) -> Iterator[tuple[int, list[Recorded[Any]]]]:
    """The same in pieces, each with the position that has been reached with it."""
    while after < upto:
        reached = min(after + chunk, upto)
        yield reached, read_range(connection, after, reached, topics)
        after = reached


def recorded(row: TupleRow) -> Recorded[Any]:
    """One row of the log, in the order of the columns above, as a fact. Raises `PoisonEventError`."""
    topic, state, stream_id, version, recorded_at, position, *metadata = row
    actor, on_behalf_of, client, reason, command_id, correlation_id, causation_id, trace_id = metadata
    try:
        event = decode(topic, state, stream_id, version, recorded_at)
    except (UnknownTopicError, UndecodableEventError) as error:
        raise PoisonEventError(position, error) from None
    return Recorded(
        event=event,
        topic=topic,
        position=position,
        recorded_at=recorded_at,
        actor=actor,
        on_behalf_of=on_behalf_of,
        client=client,
        reason=reason,
        command_id=command_id,
        correlation_id=correlation_id,
        causation_id=causation_id,
        trace_id=trace_id,
    )
