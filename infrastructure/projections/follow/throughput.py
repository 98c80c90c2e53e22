"""Measures how fast a read model is followed, for operators."""

import time
from typing import Any

from application.projections.definition import Projection
from infrastructure.log.reader import Connection

EVERY_SECONDS = 2.0
# Nothing is written while nothing moves. Of several workers who measure at the same time, the last one's figure stays.
_MEASURE = """
INSERT INTO projection.pace AS p (name, generation, "position", measured_at, per_second)
SELECT name, generation, "position", clock_timestamp(), 0 FROM projection.standing WHERE name = %s AND state = 'live'
ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, "position" = excluded."position",
    measured_at = excluded.measured_at,
    per_second = CASE WHEN p.generation = excluded.generation THEN (excluded."position" - p."position")
        / greatest(0.001, extract(epoch FROM excluded.measured_at - p.measured_at)) ELSE 0 END
WHERE p.generation <> excluded.generation OR p."position" <> excluded."position" OR p.per_second <> 0
"""


class Throughput:
    """One follower's part in measuring."""

    def __init__(self, projection: Projection[Any]) -> None:
        self._name = projection.name
        self._due = 0.0

    def measure(self, connection: Connection) -> None:
        """Write down how far the model has come since the last time, if it is time to."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        connection.execute(_MEASURE, (self._name,), prepare=True)
