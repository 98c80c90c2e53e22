"""The recorded results of checks of read models: how many rows, how many wrong, where the first one is."""

from typing import Any

from application.projections.definition import Projection
from infrastructure.log.reader import Connection
from infrastructure.projections.verify.verifying import Verification


def note_verification(
    connection: Connection, projection: Projection[Any], generation: int, found: Verification, *, complete: bool
) -> None:
    """Record the result of a check. After a sample has found wrong rows, only a complete check can clear the model."""
    first = found.differences[0] if found.differences else None
    finding = first and f"row {first.key}: {', '.join(first.columns)} differ from the log"
    connection.execute(
        """
        INSERT INTO projection.verification AS v (name, generation, verified_at, rows, differing, finding)
        SELECT name, generation, clock_timestamp(), %(rows)s, %(differing)s, %(finding)s
        FROM projection.generation WHERE name = %(name)s AND generation = %(generation)s
        ON CONFLICT (name, generation) DO UPDATE SET verified_at = excluded.verified_at, rows = excluded.rows,
            differing = CASE WHEN excluded.differing > 0 OR %(complete)s THEN excluded.differing ELSE v.differing END,
            finding = CASE WHEN excluded.differing > 0 OR %(complete)s THEN excluded.finding ELSE v.finding END
        """,
        {
            "name": projection.name,
            "generation": generation,
            "rows": found.rows,
            "differing": found.differing,
            "finding": finding,
            "complete": complete,
        },
    )


def forget_verification(connection: Connection, name: str, generation: int) -> None:
    """The generation goes; part of the caller's transaction."""
    connection.execute("DELETE FROM projection.verification WHERE name = %s AND generation = %s", (name, generation))
