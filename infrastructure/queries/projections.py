"""Tells where each read model stands, and has them rebuilt."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, dict_row

from application.queries import ProjectionStatus, RebuildStatus
from application.read_models import READ_MODELS
from domain.ids import uuid7
from infrastructure.projections.tables import SCHEMA
from infrastructure.queries.read_model import Pool

_STATUSES = """
SELECT g.name, g.version, g.generation, g."position", h."position" AS head, g.failure,
       (SELECT e.recorded_at FROM log.event e WHERE e."position" = g."position" + 1) AS behind_since,
       coalesce(c.reltuples, 0)::bigint AS rows, coalesce(pg_total_relation_size(c.oid), 0) AS size_bytes
FROM projection.generation g CROSS JOIN log.head h
LEFT JOIN pg_class c ON c.oid = to_regclass(%(schema)s || '.' || g.name || '_' || g.generation)
WHERE g.state = 'live' ORDER BY g.name
"""
_REBUILD = """
SELECT id, name, state, phase, events_done, events_total, rows_written, generation, requested_by, requested_at,
       finished_at, failure
FROM projection.rebuild
"""


class ProjectionQueries:
    """The read models themselves, as ports see them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def statuses(self) -> list[ProjectionStatus]:
        """Each read model's standing; one that was never followed is unhealthy."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(_STATUSES, {"schema": SCHEMA})
            found = {row["name"]: row for row in await cursor.fetchall()}
        return [_status(name, found.get(name)) for name in READ_MODELS]

    async def request_rebuild(self, name: str, requested_by: str) -> UUID:
        """Have a model rebuilt by a worker; joins a rebuild that is requested or running. Raises `LookupError`."""
        if name not in READ_MODELS:
            raise LookupError(name)
        async with self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO projection.rebuild (id, name, requested_by) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (uuid7(), name, requested_by),
            )
            cursor = await connection.execute(
                "SELECT id FROM projection.rebuild WHERE name = %s ORDER BY requested_at DESC LIMIT 1", (name,)
            )
            row = await cursor.fetchone()
        if row is None:
            raise LookupError(name)
        request: UUID = row[0]
        return request

    async def rebuild(self, rebuild_id: UUID) -> RebuildStatus | None:
        """How a rebuild goes."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(RebuildStatus))
            await cursor.execute(f"{_REBUILD} WHERE id = %s", (rebuild_id,))
            return await cursor.fetchone()


def _status(name: str, row: dict[str, Any] | None) -> ProjectionStatus:
    if row is None:
        return ProjectionStatus(
            name=name,
            version=READ_MODELS[name].version,
            generation=0,
            position=0,
            head=0,
            lag_events=0,
            lag_seconds=0.0,
            healthy=False,
            failure="never followed",
            rows=0,
            size_bytes=0,
        )
    since = row.pop("behind_since")
    return ProjectionStatus(
        **row,
        lag_events=row["head"] - row["position"],
        lag_seconds=max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0,
        healthy=row["failure"] is None,
    )
