"""Rebuilds on request: one at a time for each model, carried out by whoever is free, resumed when that one dies."""

import time
from typing import Any
from uuid import UUID

import psycopg

from application.projections import Projection
from application.read_models import READ_MODELS
from domain.ids import uuid7
from infrastructure.connections import as_projector
from infrastructure.log_reader import Connection
from infrastructure.projections.rebuilding import OnProgress, RebuildProgress, Rebuilt, rebuild

REPORT_SECONDS = 0.2
"""How often progress is written down."""


def request_rebuild(connection: Connection, name: str, requested_by: str) -> UUID:
    """Ask for a rebuild, or join the one that is requested or running. Raises `LookupError` for an unknown model."""
    if name not in READ_MODELS:
        raise LookupError(name)
    connection.execute(
        "INSERT INTO projection.rebuild (id, name, requested_by) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (uuid7(), name, requested_by),
    )
    row = connection.execute(
        "SELECT id FROM projection.rebuild WHERE name = %s ORDER BY requested_at DESC LIMIT 1", (name,)
    ).fetchone()
    if row is None:
        raise LookupError(name)
    request: UUID = row[0]
    return request


def open_requests(connection: Connection) -> list[str]:
    """The models whose rebuild is wanted and not done; also those whose worker may have died over it."""
    rows = connection.execute("SELECT name FROM projection.rebuild WHERE state IN ('requested', 'running')").fetchall()
    return [name for (name,) in rows if name in READ_MODELS]


def perform_rebuild(conninfo: str, name: str, on_progress: OnProgress = lambda _: None) -> Rebuilt | None:
    """Carry out the open request for a model; None if there is none, or another process is at it.

    Raises what the rebuild raises, once the failure is written down.
    """
    projection = READ_MODELS[name]
    conninfo = as_projector(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if not _lock(connection, name):
            return None
        request = _start(connection, name)
        if request is None:
            return None
        return _perform(conninfo, _Report(connection, request, on_progress), projection)


def _perform(conninfo: str, report: "_Report", projection: Projection[Any]) -> Rebuilt:
    try:
        rebuilt = rebuild(conninfo, projection, report)
    except Exception as error:
        report.finish("failed", failure=f"{type(error).__name__}: {error}" if _is_safe(error) else type(error).__name__)
        raise
    report.finish("succeeded", generation=rebuilt.generation)
    return rebuilt


def _is_safe(error: Exception) -> bool:
    """Whether an error's text is known to hold no data: ours name positions and kinds only."""
    return type(error).__module__.startswith("infrastructure.")


def _lock(connection: Connection, name: str) -> bool:
    """Held as long as the connection lives: a dead worker's request is free again."""
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"rebuild {name}",)).fetchone()
    return bool(row and row[0])


def _start(connection: Connection, name: str) -> UUID | None:
    row = connection.execute(
        "UPDATE projection.rebuild SET state = 'running', phase = 'fill' "
        "WHERE name = %s AND state IN ('requested', 'running') RETURNING id",
        (name,),
    ).fetchone()
    return row[0] if row else None


class _Report:
    """Writes progress down where everybody can see it, now and then, and passes it on."""

    def __init__(self, connection: Connection, request: UUID, on_progress: OnProgress) -> None:
        self._connection = connection
        self._request = request
        self._on_progress = on_progress
        self._next = 0.0
        self._phase = ""

    def __call__(self, progress: RebuildProgress) -> None:
        self._on_progress(progress)
        if progress.phase == self._phase and time.monotonic() < self._next:
            return
        self._next, self._phase = time.monotonic() + REPORT_SECONDS, progress.phase
        self._connection.execute(
            "UPDATE projection.rebuild SET phase = %s, events_done = %s, events_total = %s, rows_written = %s "
            "WHERE id = %s",
            (progress.phase, progress.events_done, progress.events_total, progress.rows_written, self._request),
        )

    def finish(self, state: str, generation: int | None = None, failure: str | None = None) -> None:
        self._connection.execute(
            "UPDATE projection.rebuild SET state = %s, generation = %s, failure = %s, phase = NULL, "
            "events_done = CASE WHEN %s THEN events_total ELSE events_done END, finished_at = clock_timestamp() "
            "WHERE id = %s",
            (state, generation, failure, state == "succeeded", self._request),
        )
