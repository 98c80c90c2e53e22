"""Checks rows of a read model against the log, folded again in the simplest way: one stream, from its beginning."""

import random
from typing import Any

from application.projections import Projection
from infrastructure.log_reader import Connection, facts_from
from infrastructure.projections.following import fold_all
from infrastructure.projections.tables import ModelTable

SAMPLE = 200
"""Rows that are checked before a generation may take over."""

_STREAM = """
SELECT e.topic, e.state, e.stream_id, e.version, e.recorded_at, e."position",
       e.actor, e.on_behalf_of, e.client, e.reason, e.command_id, e.correlation_id, e.causation_id, e.trace_id
FROM log.event e
WHERE e.stream_id = (SELECT s.stream_id FROM log.event s WHERE s."position" = %(position)s)
  AND e."position" <= %(upto)s AND e.topic = ANY (%(topics)s::text[])
ORDER BY e.version
"""


class RowDiffersError(Exception):
    """A row is not what the log says. Names the model, the key and the columns, and no values."""

    def __init__(self, name: str, key: object, columns: list[str]) -> None:
        super().__init__(f"{name} row {key}: {', '.join(columns)} differ from the log")


def verify_sample(
    connection: Connection, projection: Projection[Any], generation: int, upto: int, sample: int = SAMPLE
) -> int:
    """Check the rows of some streams, drawn by position; returns how many rows. Raises `RowDiffersError`."""
    table = ModelTable(projection, generation)
    positions = random.sample(range(1, upto + 1), min(sample, upto))
    return sum(_verify_stream(connection, table, position, upto) for position in positions)


def _verify_stream(connection: Connection, table: ModelTable[Any], position: int, upto: int) -> int:
    projection = table.projection
    cursor = connection.cursor(binary=True)
    cursor.execute(_STREAM, {"position": position, "upto": upto, "topics": projection.topics})
    facts = facts_from([row if projection.reads_metadata else row[:6] for row in cursor.fetchall()])
    expected = fold_all(projection, {}, facts)
    actual = table.load(connection, list(expected))
    for key, row in expected.items():
        if actual.get(key) != row:
            raise RowDiffersError(projection.name, key, _differences(row, actual.get(key), table))
    return len(expected)


def _differences(expected: Any, actual: Any, table: ModelTable[Any]) -> list[str]:
    if expected is None or actual is None:
        return ["presence"]
    return [column for column in table.columns if getattr(expected, column) != getattr(actual, column)]
