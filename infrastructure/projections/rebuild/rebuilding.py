"""Builds a new generation of a read model beside the live one, and switches to it in one short transaction."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import psycopg

from application.projections.definition import Projection
from infrastructure.log.reader import Connection, PoisonEventError, read_head
from infrastructure.postgres.unavailability import is_unavailable
from infrastructure.projections.follow.dead_letters import offer_letter, supersede_letters
from infrastructure.projections.follow.following import Progress, follow_batch
from infrastructure.projections.generations import add_generation, ensure_live
from infrastructure.projections.partitions import all_partitions
from infrastructure.projections.rebuild.comparing import compare_with_live
from infrastructure.projections.rebuild.filling import fill, processes_for
from infrastructure.projections.rebuild.parts import parts, plan, planned
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.verifications import forget_verification
from infrastructure.projections.verify.verifying import verify_sample

SWITCH_WITHIN = 500
"""Positions that the new generation may be behind when the switch begins: it folds in the rest under the lock."""
CATCH_UP_BATCH = 5_000
_WAIT_TO_DROP = "SET LOCAL lock_timeout = '1s'"
"""Somebody may still read what was left behind, for hours if it is a backup; it is dropped by a later rebuild then."""

OnProgress = Callable[["RebuildProgress"], None]


class RebuildProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rebuild has come."""

    phase: str
    events_done: int
    events_total: int
    rows_written: int = 0
    waiting_for: str | None = None
    """The lock that it waits for and who holds it."""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a rebuild."""

    generation: int
    position: int
    events: int
    rows: int


def rebuild(conninfo: str, projection: Projection[Any], on_progress: OnProgress = lambda _: None) -> Rebuilt:
    """Fill a new generation from position 1 and make it the live one; the old one serves, and is followed, until then.

    What a killed rebuild of the same definition has filled is not filled again. On any error after which it cannot be
    resumed the new generation is thrown away; the old one stays. Raises `PoisonEventError` at an event that cannot be
    folded, which gets a letter, and `RowDiffersError` if the new rows are not what the log says.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ensure_live(connection, projection)
        generation = _begin(connection, projection)
        try:
            return _Rebuild(conninfo, connection, projection, generation, on_progress).run()
        except Exception as error:
            if not is_resumable(error):
                with connection.transaction():
                    _discard(connection, projection, generation)
                    if isinstance(error, PoisonEventError):
                        offer_letter(connection, projection.name, error)
            raise


def is_resumable(error: Exception) -> bool:
    """Whether a rebuild that met this is to go on later with what it has: the database could not be used for a while.

    Not if its disk is full: then what was filled may be what fills it.
    """
    return is_unavailable(error) and not isinstance(error, psycopg.errors.DiskFull)


def _begin(connection: Connection, projection: Projection[Any]) -> int:
    """The generation to build: what a killed rebuild of this definition has left, or a new one with a plan."""
    with connection.transaction():
        row = connection.execute(
            "SELECT max(generation) FROM projection.generation "
            "WHERE name = %s AND state = 'building' AND version = %s AND fingerprint = %s",
            (projection.name, projection.version, projection.fingerprint),
        ).fetchone()
        found = row[0] if row else None
        if found is not None and not planned(connection, projection.name, found):
            found = None
        _drop_abandoned(connection, projection, but=found)
        if found is not None:
            return int(found)
        generation = add_generation(connection, projection, "building")
        upto = read_head(connection).position
        plan(
            connection,
            projection.name,
            generation,
            parts(connection, projection, upto, processes_for(projection, upto)),
        )
    return generation


class NothingToRollBackToError(Exception):
    """There is no earlier generation that this program could use."""

    def __init__(self) -> None:
        super().__init__("there are no earlier rows of this version")


def roll_back(conninfo: str, projection: Projection[Any], on_progress: OnProgress = lambda _: None) -> Rebuilt:
    """Make the generation before the live one the live one again, once it has caught up and a sample of it was checked.

    The one that was live is kept, so this can be undone by doing it again. Raises like `rebuild`, and
    `NothingToRollBackToError`.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(
            "SELECT max(generation) FROM projection.generation WHERE name = %s AND state = 'retired' AND version = %s",
            (projection.name, projection.version),
        ).fetchone()
        generation = row[0] if row else None
        if generation is None:
            raise NothingToRollBackToError
        on_progress(RebuildProgress(phase="catch_up", events_done=0, events_total=0))
        _catch_up(connection, projection, generation, retired=True)
        on_progress(RebuildProgress(phase="verify", events_done=0, events_total=0))
        verify_sample(connection, projection, generation)
        position = _switch(connection, projection, generation, retired=True)
    return Rebuilt(generation=generation, position=position, events=0, rows=0)


class _Rebuild:
    """One rebuild under way."""

    def __init__(
        self,
        conninfo: str,
        connection: Connection,
        projection: Projection[Any],
        generation: int,
        on_progress: OnProgress,
    ) -> None:
        self._conninfo = conninfo
        self._connection = connection
        self._projection = projection
        self._generation = generation
        self._on_progress = on_progress
        self._parts = planned(connection, projection.name, generation)
        self._total = max((part.upto for part in self._parts), default=0)
        self._done = 0
        self._rows = 0

    def run(self) -> Rebuilt:
        """Fill, index, catch up, verify, switch."""
        if not ModelTable(self._projection, self._generation).is_indexed(self._connection):
            self._fill()
        self._done = self._total
        self._rows = sum(part.rows or 0 for part in planned(self._connection, self._projection.name, self._generation))
        self._say("catch_up")
        _catch_up(self._connection, self._projection, self._generation)
        self._say("verify")
        verify_sample(self._connection, self._projection, self._generation)
        compare_with_live(self._connection, self._projection)
        _catch_up(self._connection, self._projection, self._generation)
        position = _switch(self._connection, self._projection, self._generation)
        return Rebuilt(generation=self._generation, position=position, events=self._total, rows=self._rows)

    def _fill(self) -> None:
        self._say("fill")
        fill(self._conninfo, self._projection, self._generation, self._parts, self._count)
        self._say("index")
        with self._connection.transaction():
            self._connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
            ModelTable(self._projection, self._generation).create_indexes(self._connection)
            _set_checkpoint(self._connection, self._projection.name, self._generation, self._total)

    def _count(self, events: int) -> None:
        self._done += events
        self._say("fill")

    def _say(self, phase: str) -> None:
        self._on_progress(
            RebuildProgress(phase=phase, events_done=self._done, events_total=self._total, rows_written=self._rows)
        )


def _catch_up(connection: Connection, projection: Projection[Any], generation: int, *, retired: bool = False) -> None:
    progress: Progress | None = None
    while progress is None or progress.head - progress.position > SWITCH_WITHIN:
        progress = follow_batch(connection, projection, generation, CATCH_UP_BATCH, retired=retired)


def _drop_abandoned(connection: Connection, projection: Projection[Any], but: int | None) -> None:
    """Throw away what killed rebuilds left behind, but one, and all retired generations but the newest."""
    rows = connection.execute(
        """
        SELECT generation FROM projection.generation g
        WHERE name = %(name)s AND (state = 'building' AND generation IS DISTINCT FROM %(but)s
            OR state = 'retired' AND generation < (
                SELECT max(generation) FROM projection.generation r WHERE r.name = g.name AND r.state = 'retired'))
        FOR UPDATE
        """,
        {"name": projection.name, "but": but},
    ).fetchall()
    for (generation,) in rows:
        with suppress(psycopg.errors.LockNotAvailable), connection.transaction():
            connection.execute(_WAIT_TO_DROP)
            _discard(connection, projection, generation)
    connection.execute("SET LOCAL lock_timeout TO DEFAULT")


def _set_checkpoint(connection: Connection, name: str, generation: int, position: int) -> None:
    connection.execute(
        'UPDATE projection.segment SET "position" = %s WHERE name = %s AND generation = %s',
        (position, name, generation),
    )


def _switch(connection: Connection, projection: Projection[Any], generation: int, *, retired: bool = False) -> int:
    """Make a generation the live one; returns its checkpoint, which is not behind any of the old one."""
    with connection.transaction():
        # The old generation stands still from here on, so a reader never sees the model go back.
        row = connection.execute(
            "SELECT generation FROM projection.generation WHERE name = %s AND state = 'live' FOR UPDATE",
            (projection.name,),
        ).fetchone()
        partitions = all_partitions(connection, projection.name, row[0], hold=True) if row else []
        old = max((partition.position for partition in partitions), default=0)
        position = -1
        while position < old:
            progress = follow_batch(connection, projection, generation, CATCH_UP_BATCH, retired=retired)
            position = progress.position if progress else position
        connection.execute(
            "UPDATE projection.generation SET state = 'retired' WHERE name = %s AND state = 'live'", (projection.name,)
        )
        connection.execute(
            "UPDATE projection.generation SET state = 'live', switched_at = clock_timestamp() "
            "WHERE name = %s AND generation = %s",
            (projection.name, generation),
        )
    return position


def _discard(connection: Connection, projection: Projection[Any], generation: int) -> None:
    ModelTable(projection, generation).drop(connection)
    supersede_letters(connection, projection.name, generation)
    forget_verification(connection, projection.name, generation)
    connection.execute(
        "DELETE FROM projection.generation WHERE name = %s AND generation = %s", (projection.name, generation)
    )
