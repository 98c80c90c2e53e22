"""Rebuilds on request: one at a time for each model, by any free worker, resumed by another if it dies."""

import time
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from msgspec.structs import replace

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from domain.ids import uuid7
from infrastructure.log.notifications import HINT
from infrastructure.log.reader import Connection
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.generations import DefinitionChangedError, check_definition, live_generation
from infrastructure.projections.rebuild.rebuild_watch import named_for, watched
from infrastructure.projections.rebuild.rebuilding import (
    OnProgress,
    RebuildProgress,
    Rebuilt,
    is_resumable,
    rebuild,
    roll_back,
)

REPORT_SECONDS = 0.2
"""How often progress is written down."""

_CHANGED: LiteralString = "the definition has changed since it was begun with version "
_OPEN: LiteralString = "state IN ('requested', 'running')"
_OPEN_FOR: LiteralString = f"{_OPEN} AND coalesce(version, 0) <= %(version)s"
_LOCK: LiteralString = "hashtextextended('rebuild ' || {}, 0)"
# Asked outside of a transaction, so that it is let go at once.
_IS_FREE: LiteralString = f"pg_try_advisory_xact_lock({_LOCK.format('name')})"


def request_rebuild(connection: Connection, name: str, requested_by: str, *, is_rollback: bool = False) -> UUID:
    """Request a rebuild, or join the one that is requested or running. Raises `LookupError` for an unknown model.

    An idle rebuild of another definition is abandoned: the request to this program decides.
    """
    if name not in READ_MODELS:
        raise LookupError(name)
    _give_up_other(connection, READ_MODELS[name])
    connection.execute(
        "INSERT INTO projection.rebuild (id, name, requested_by, is_rollback) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (uuid7(), name, requested_by, is_rollback),
    )
    connection.execute(HINT)
    row = connection.execute(
        "SELECT id FROM projection.rebuild WHERE name = %s ORDER BY requested_at DESC LIMIT 1", (name,)
    ).fetchone()
    if row is None:
        raise LookupError(name)
    request: UUID = row[0]
    return request


def request_upgrade(connection: Connection, projection: Projection[Any]) -> None:
    """Ask for the first rows of this version of a definition, unless there were some or an attempt has failed.

    Both mean that somebody has to decide: a version that was rolled back from must not come back by itself.
    """
    connection.execute(
        """
        INSERT INTO projection.rebuild (id, name, requested_by, version, fingerprint)
        SELECT %(id)s, %(name)s, 'system:deploy', %(version)s, %(fingerprint)s
        WHERE NOT EXISTS (SELECT FROM projection.generation WHERE name = %(name)s AND version = %(version)s
                          AND state = 'retired')
          AND NOT EXISTS (SELECT FROM projection.rebuild WHERE name = %(name)s AND fingerprint = %(fingerprint)s
                          AND state = 'failed')
        ON CONFLICT DO NOTHING
        """,
        {
            "id": uuid7(),
            "name": projection.name,
            "version": projection.version,
            "fingerprint": projection.fingerprint,
        },
    )


def open_requests(connection: Connection) -> list[str]:
    """The models whose rebuild is wanted and nobody is at; also those whose worker has died over it.

    What a newer program has asked for is left to it.
    """
    rows = connection.execute(
        f"SELECT name, coalesce(version, 0) FROM projection.rebuild WHERE {_OPEN} AND {_IS_FREE}"  # noqa: S608 - ours
    ).fetchall()
    return [name for name, version in rows if name in READ_MODELS and version <= READ_MODELS[name].version]


def perform_rebuild(conninfo: str, name: str, on_progress: OnProgress = lambda _: None) -> Rebuilt | None:
    """Carry out the open request for a model; None if there is none for this program, or another process is at it.

    One that was begun with another definition has failed; the rows of a newer version are asked for instead. Raises
    what the rebuild raises, and `DefinitionChangedError`, once the failure is written down.
    """
    projection = READ_MODELS[name]
    conninfo = named_for(as_projector(conninfo), name)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if not _lock(connection, name):
            return None
        _abandon_if_changed(connection, projection)
        started = _start(connection, projection)
        if started is None:
            return None
        request, is_rollback = started
        report = _Report(connection, request, on_progress)
        with watched(conninfo, name, request, report.wait):
            return _perform(conninfo, report, projection, is_rollback=is_rollback)


def _perform(conninfo: str, report: "_Report", projection: Projection[Any], *, is_rollback: bool) -> Rebuilt:
    try:
        rebuilt = (roll_back if is_rollback else rebuild)(conninfo, projection, report)
    except Exception as error:
        if is_resumable(error):
            raise  # The request stays open: whoever reaches the database next goes on with it.
        report.finish("failed", failure=f"{type(error).__name__}: {error}" if _is_safe(error) else type(error).__name__)
        raise
    report.finish("succeeded", generation=rebuilt.generation)
    return rebuilt


def _is_safe(error: Exception) -> bool:
    """Whether an error's text is known to hold no data: ours name positions and kinds only."""
    return type(error).__module__.startswith("infrastructure.")


def _lock(connection: Connection, name: str) -> bool:
    """Held as long as the connection lives: a dead worker's request is free again."""
    row = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK.format('%s::text')})", (name,)).fetchone()
    return bool(row and row[0])


def _abandon_if_changed(connection: Connection, projection: Projection[Any]) -> None:
    """Nobody can go on with what was begun with a definition that is not there any more: it would be tried for ever."""
    row = connection.execute(
        f"SELECT id, version, fingerprint FROM projection.rebuild WHERE name = %(name)s AND {_OPEN_FOR}",  # noqa: S608
        {"name": projection.name, "version": projection.version},
    ).fetchone()
    if row is None:
        return
    request, version, fingerprint = row
    report = _Report(connection, request, lambda _: None)
    try:
        check_definition(connection, projection)
    except DefinitionChangedError:
        report.finish("failed", failure=f"the definition has changed, but not its version, {projection.version}")
        raise
    if fingerprint in {None, projection.fingerprint}:
        return
    report.finish("failed", failure=f"{_CHANGED}{version}")
    live = live_generation(connection, projection.name)
    if live is not None and live.version < projection.version:
        request_upgrade(connection, projection)


def _give_up_other(connection: Connection, projection: Projection[Any]) -> None:
    connection.execute(
        f"""
        UPDATE projection.rebuild SET state = 'failed', phase = NULL, finished_at = clock_timestamp(),
            failure = format('{_CHANGED}%%s', version)
        WHERE name = %s AND fingerprint <> %s AND {_OPEN} AND {_IS_FREE}
        """,  # noqa: S608 - ours
        (projection.name, projection.fingerprint),
    )


def _start(connection: Connection, projection: Projection[Any]) -> tuple[UUID, bool] | None:
    """Not if a newer version is live: a program that is behind must not bring its version back by rebuilding."""
    row = connection.execute(
        f"""
        UPDATE projection.rebuild r SET state = 'running', phase = 'fill', version = %(version)s,
            fingerprint = %(fingerprint)s, started_at = statement_timestamp(),
            progressed_at = statement_timestamp()
        WHERE name = %(name)s AND {_OPEN_FOR} AND (is_rollback OR NOT EXISTS (
            SELECT FROM projection.generation g
            WHERE g.name = r.name AND g.state = 'live' AND g.version > %(version)s))
        RETURNING id, is_rollback
        """,  # noqa: S608 - ours
        {"name": projection.name, "version": projection.version, "fingerprint": projection.fingerprint},
    ).fetchone()
    return (row[0], row[1]) if row else None


class _Report:
    """Writes progress down where everybody can see it, now and then, and passes it on."""

    def __init__(self, connection: Connection, request: UUID, on_progress: OnProgress) -> None:
        self._connection = connection
        self._request = request
        self._on_progress = on_progress
        self._next = 0.0
        self._phase = ""
        self._last = RebuildProgress(phase="fill", events_done=0, events_total=0)

    def wait(self, waiting_for: str | None) -> None:
        """Pass on what it waits for; the watch has written that down."""
        if waiting_for != self._last.waiting_for:
            self._last = replace(self._last, waiting_for=waiting_for)
            self._on_progress(self._last)

    def __call__(self, progress: RebuildProgress) -> None:
        self._last = progress
        self._on_progress(progress)
        if progress.phase == self._phase and time.monotonic() < self._next:
            return
        self._next, self._phase = time.monotonic() + REPORT_SECONDS, progress.phase
        self._connection.execute(
            "UPDATE projection.rebuild SET phase = %s, events_done = %s, events_total = %s, rows_written = %s, "
            "progressed_at = clock_timestamp() WHERE id = %s",
            (progress.phase, progress.events_done, progress.events_total, progress.rows_written, self._request),
        )

    def finish(self, state: str, generation: int | None = None, failure: str | None = None) -> None:
        self._connection.execute(
            """
            UPDATE projection.rebuild SET state = %(state)s, generation = %(generation)s, failure = %(failure)s,
                phase = NULL, waiting_for = NULL, finished_at = clock_timestamp(),
                events_done = CASE WHEN %(state)s = 'succeeded' THEN events_total ELSE events_done END
            WHERE id = %(request)s
            """,
            {"state": state, "generation": generation, "failure": failure, "request": self._request},
        )
