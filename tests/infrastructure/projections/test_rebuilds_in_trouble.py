"""Rebuilds whose database, processes or patience come to an end: nothing hangs, nothing is left, all of it is told."""

import asyncio
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString
from unittest import mock

import psutil  # type: ignore[import-untyped] # it has no stubs of its own
import psycopg
import pytest
from psycopg import errors

from application.history.timeline import USER_TIMELINE
from application.operations.queries import ProjectionFault, ProjectionStatus, RebuildStatus
from application.users.directory import USER_DIRECTORY
from infrastructure.encryption.keychain import grant, granted
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import APP_ROLE, as_projector, in_role, reading_pool
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.projections.generations import generations
from infrastructure.projections.rebuild import filling
from infrastructure.projections.rebuild import parts as sizes
from infrastructure.projections.rebuild.filling_crew import MOST_DEATHS, FillingDiedError, Job, fill_in_parallel
from infrastructure.projections.rebuild.folding import OnEvents
from infrastructure.projections.rebuild.parts import Part
from infrastructure.projections.rebuild.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.projections.rebuild.rebuilding import RebuildProgress, is_resumable, rebuild
from infrastructure.settings import Settings
from infrastructure.workers import worker as working
from infrastructure.workers.duties import Duty
from tests.support.cli_run import wait_until_gone
from tests.support.read_models import replayed_rows, rows_of
from tests.support.running import follow_to_head, projector, settings_in, worker
from tests.support.waiting import eventually
from tests.support.workers_in_trouble import cut_all_connections

NAME = USER_DIRECTORY.name
PARTS_UNCHANGED: LiteralString = "LOCK TABLE projection.part IN EXCLUSIVE MODE"
THE_SWITCH: LiteralString = (
    "SELECT FROM projection.generation WHERE name = 'user_directory' AND state = 'live' FOR UPDATE"
)
"""Locks what a rebuild of this model needs at its end, and no other."""
JOB = Job("", NAME, USER_DIRECTORY.fingerprint, 1)


@pytest.fixture
def parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes for however few events."""
    monkeypatch.setattr(filling, "PARALLEL_FROM", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(sizes, "EVENTS_PER_PART", 60)


def ask_for_rebuild(conninfo: str, name: str = NAME) -> None:
    with projector(conninfo) as connection:
        request_rebuild(connection, name, "test")


def outcome(conninfo: str, name: str = NAME) -> tuple[str, str | None]:
    with projector(conninfo) as connection:
        row = connection.execute("SELECT state, failure FROM projection.rebuild WHERE name = %s", (name,)).fetchone()
    assert row is not None
    return row[0], row[1]


@asynccontextmanager
async def asking(conninfo: str) -> AsyncIterator[ProjectionQueries]:
    async with reading_pool(in_role(embedded_as(Login.API, conninfo), APP_ROLE), 1) as pool:
        yield ProjectionQueries(pool)


def last_rebuild(conninfo: str, name: str = NAME) -> RebuildStatus:
    """As the API tells it."""
    with projector(conninfo) as connection:
        row = connection.execute("SELECT id FROM projection.rebuild WHERE name = %s", (name,)).fetchone()
    assert row is not None

    async def ask() -> RebuildStatus | None:
        async with asking(conninfo) as queries:
            return await queries.rebuild(row[0])

    status = asyncio.run(ask())
    assert status is not None
    return status


def health(conninfo: str, name: str = NAME) -> ProjectionStatus:
    """Of a model."""

    async def ask() -> list[ProjectionStatus]:
        async with asking(conninfo) as queries:
            return await queries.statuses()

    return next(status for status in asyncio.run(ask()) if status.name == name)


@contextmanager
def locked(conninfo: str, statement: LiteralString, who: str = "somebody") -> Iterator[int]:
    """What a statement locks is locked by another session; the session's process."""
    with psycopg.connect(conninfo, application_name=who) as holder:
        holder.execute(statement)
        yield holder.info.backend_pid


class Interfering:
    """Listens to the progress of a rebuild and does something once, when the first events are done."""

    def __init__(self, interfere: Any) -> None:
        self.said: list[RebuildProgress] = []
        self._interfere = interfere
        self.has_interfered = False

    def __call__(self, progress: RebuildProgress) -> None:
        self.said.append(progress)
        if progress.phase == "fill" and progress.events_done and not self.has_interfered:
            self.has_interfered = True
            self._interfere()


@pytest.mark.usefixtures("parallel")
def test_a_rebuild_in_several_processes_that_loses_the_database_ends_and_is_gone_on_with(history: str) -> None:
    ask_for_rebuild(history)
    told = Interfering(lambda: cut_all_connections(history))

    with pytest.raises(psycopg.OperationalError):
        perform_rebuild(history, NAME, told)

    assert told.has_interfered
    assert multiprocessing.active_children() == []
    assert outcome(history) == ("running", None)
    assert eventually(lambda: perform_rebuild(history, NAME), "the lost lock to be free")
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


@pytest.mark.usefixtures("parallel")
def test_the_part_of_a_process_that_was_killed_is_filled_by_another(history: str) -> None:
    def kill_one() -> None:
        victim = multiprocessing.active_children()[0]
        os.kill(victim.pid or 0, signal.SIGKILL)

    told = Interfering(kill_one)

    rebuilt = rebuild(as_projector(history), USER_DIRECTORY, told)

    assert told.has_interfered
    assert rebuilt.rows == len(rows_of(history, USER_DIRECTORY))
    assert told.said[-1].events_done == rebuilt.events
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def dies_at_work(_: Job, part: Part, on_events: OnEvents) -> None:
    on_events(part.events // 2)
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_that_die_over_and_over_end_a_rebuild_and_what_they_counted_does_not_count() -> None:
    counted: list[int] = []
    parts = [Part(after=10 * number, upto=10 * number + 10, events=10, number=number) for number in range(9)]

    with pytest.raises(FillingDiedError, match=rf"^{MOST_DEATHS} processes died .* exit code -9$"):
        fill_in_parallel(JOB, dies_at_work, 2, parts, counted.append)

    assert 0 <= sum(counted) <= 5  # What a second one has counted that lives on for the moment.
    assert multiprocessing.active_children() == []


def survives_alone(_: Job, part: Part, on_events: OnEvents) -> None:
    """Each process fills one part and dies over the next."""
    if multiprocessing.current_process().name in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    os.environ[multiprocessing.current_process().name] = "has filled one"
    on_events(part.events)


def test_deaths_with_work_done_in_between_do_not_end_a_rebuild() -> None:
    counted: list[int] = []
    parts = [Part(after=10 * number, upto=10 * number + 10, events=10, number=number) for number in range(6)]

    fill_in_parallel(JOB, survives_alone, 1, parts, counted.append)

    assert sum(counted) == 60


def rebuild_elsewhere(grants: tuple[Settings, ...], conninfo: str) -> None:
    """Be a process that rebuilds with processes of its own."""
    for settings in grants:
        grant(settings)
    filling.PARALLEL_FROM = 0
    sizes.EVENTS_PER_PART = 60
    with mock.patch.object(os, "cpu_count", return_value=2):
        perform_rebuild(conninfo, NAME)


def test_no_process_outlives_a_rebuild_that_is_killed_whatever_it_waits_for(history: str) -> None:
    """Here for a lock, which it would wait for as long as somebody holds it."""
    follow_to_head(history)
    ask_for_rebuild(history)
    spawn = multiprocessing.get_context("spawn")
    rebuilding = spawn.Process(target=rebuild_elsewhere, args=(granted(), history))
    with locked(history, PARTS_UNCHANGED):
        rebuilding.start()
        with projector(history) as connection:
            waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
            eventually(lambda: connection.execute(waits).fetchone() == (True,), "the filling to wait for the lock")
            family = psutil.Process(rebuilding.pid).children(recursive=True)
            os.kill(rebuilding.pid or 0, signal.SIGKILL)
            rebuilding.join()

            wait_until_gone(family)


@contextmanager
def rebuild_behind_a_lock(conninfo: str, lock: LiteralString, told: list[RebuildProgress]) -> Iterator[int]:
    """A rebuild by a worker's login while something is locked by a process, which lets go at the end of the context."""
    ask_for_rebuild(conninfo)
    perform = threading.Thread(target=perform_rebuild, args=(embedded_as(Login.WORKER, conninfo), NAME, told.append))
    with ExitStack() as holding:
        holder = holding.enter_context(locked(conninfo, lock, who="nightly report"))
        perform.start()
        try:
            yield holder
        finally:
            holding.close()
            perform.join()


@pytest.mark.parametrize(
    ("lock", "phase", "thing"),
    [
        ("LOCK TABLE projection.part", "fill", "projection.part"),
        ("LOCK TABLE log.event", "fill", "log.event"),
        (THE_SWITCH, "verify", "a row of projection.generation"),
    ],
)
def test_a_rebuild_that_waits_for_a_lock_says_for_which_and_who_holds_it(
    history: str, lock: LiteralString, phase: str, thing: str
) -> None:
    follow_to_head(history)
    told: list[RebuildProgress] = []
    with rebuild_behind_a_lock(history, lock, told) as holder:
        expected = f"{thing}, held by process {holder} (nightly report)"
        eventually(lambda: expected in {progress.waiting_for for progress in told}, f"it to say: {expected}")
        status = last_rebuild(history)

    assert (status.waiting_for, status.phase) == (expected, phase)
    assert last_rebuild(history).waiting_for is None
    assert outcome(history) == ("succeeded", None)


def age(conninfo: str, hours: int) -> None:
    """As if the rebuild under way had been begun, and had last moved, so long ago."""
    with projector(conninfo) as connection:
        connection.execute(
            "UPDATE projection.rebuild SET started_at = started_at - %(ago)s, progressed_at = progressed_at - %(ago)s "
            "WHERE state = 'running'",
            {"ago": timedelta(hours=hours)},
        )


def test_a_rebuild_that_stands_still_is_unhealthy_and_says_since_when_and_why(history: str) -> None:
    follow_to_head(history)
    told: list[RebuildProgress] = []
    with rebuild_behind_a_lock(history, "LOCK TABLE projection.part", told):
        eventually(lambda: any(progress.waiting_for for progress in told), "it to wait for the lock")
        moving = health(history)
        age(history, hours=2)
        standing, rebuild = health(history), last_rebuild(history)

    assert (moving.healthy, moving.fault) == (True, None)
    assert (standing.healthy, standing.fault) == (False, ProjectionFault.REBUILD_STALLED)
    assert standing.failure is not None
    assert re.fullmatch(
        r"the rebuild has stood still since .+ \(fill\), waiting for projection\.part, held by process .+",
        standing.failure,
    )
    assert rebuild.stalled_seconds == pytest.approx(7_200, abs=300)
    assert health(history).healthy
    assert last_rebuild(history).stalled_seconds is None


def test_a_rebuild_begun_by_a_program_that_does_not_tell_is_not_taken_for_stalled(history: str) -> None:
    follow_to_head(history)
    with projector(history) as connection:
        request_rebuild(connection, NAME, "test")
        connection.execute(
            "UPDATE projection.rebuild SET state = 'running', started_at = now() - interval '1 hour', "
            "progressed_at = now() - interval '2 hours'"
        )

    assert health(history).healthy


def test_a_worker_ends_a_rebuild_that_stands_still_and_goes_on_with_the_next(
    history: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "STALLED_REBUILD_SECONDS", 0.0)
    follow_to_head(history)
    stuck, other = USER_DIRECTORY.name, USER_TIMELINE.name
    with worker(settings_in(home), history, [Duty.READ_MODELS]):
        with locked(history, THE_SWITCH):
            ask_for_rebuild(history, stuck)
            eventually(lambda: last_rebuild(history, stuck).waiting_for, "it to wait for the lock")
            ask_for_rebuild(history, other)
            age(history, hours=1)
            eventually(lambda: outcome(history, other) == ("succeeded", None), "the other to have its turn")
            assert outcome(history, stuck) == ("running", None)
            monkeypatch.undo()
        eventually(lambda: outcome(history, stuck) == ("succeeded", None), "it to be gone on with")


def test_rows_that_somebody_still_reads_are_dropped_by_a_later_rebuild(history: str) -> None:
    """A backup reads for hours; nobody waits for it to throw away what nobody needs."""
    follow_to_head(history)
    rebuild(as_projector(history), USER_DIRECTORY)
    with locked(history, "LOCK TABLE read_model.user_directory_1 IN ACCESS SHARE MODE"):
        rebuild(as_projector(history), USER_DIRECTORY)
        rebuild(as_projector(history), USER_DIRECTORY)
        kept = numbers(history)
    rebuild(as_projector(history), USER_DIRECTORY)

    assert kept == [1, 2, 3, 4]
    assert numbers(history) == [3, 4, 5]


def numbers(conninfo: str) -> list[int]:
    with projector(conninfo) as connection:
        return sorted(g.generation for g in generations(connection) if g.name == NAME)


@pytest.mark.parametrize(
    ("error", "resumable"),
    [
        (psycopg.OperationalError("the connection is closed"), True),
        (errors.AdminShutdown(), True),
        (errors.CrashShutdown(), True),
        (errors.CannotConnectNow(), True),
        (errors.ReadOnlySqlTransaction(), True),
        (errors.TooManyConnections(), True),
        (errors.OutOfMemory(), True),
        (errors.IoError(), True),
        (errors.DeadlockDetected(), True),
        (errors.QueryCanceled(), True),
        (errors.DiskFull(), False),
        (errors.UniqueViolation(), False),
        (errors.InsufficientPrivilege(), False),
        (FillingDiedError(-9), False),
        (ValueError(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_rebuild_goes_on_later_if_the_database_could_not_be_used_and_its_disk_is_not_full(
    error: Exception,
    resumable: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    assert is_resumable(error) is resumable
