"""Projection workers in processes of their own, to which bad things happen while somebody writes."""

import asyncio
import os
import random
import signal
import threading
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped] # it has no stubs of its own
import psycopg
from msgspec.structs import replace
from psycopg import sql

from application.commands import LogUnavailableError
from application.projections.definition import Projection
from application.recorded import Recorded
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.directory import USER_DIRECTORY
from application.users.register_user import register_user
from infrastructure.composition import open_service
from infrastructure.encryption.keychain import grant
from infrastructure.postgres.connections import PROJECTOR_ROLE, in_role
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.tables import ModelTable
from infrastructure.workers.worker import run_worker
from tests.support.read_models import filled
from tests.support.running import context, projector, registration, settings_in

UNREACHABLE = (LogUnavailableError, psycopg.OperationalError)
"""What whoever writes is told while the database is away."""
FROZEN_FOR = "200ms"
"""How long a transaction may stand idle in these tests."""

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def work(home: Path, conninfo: str) -> None:
    """Be a worker until killed."""
    run_worker(settings_in(home), conninfo, threading.Event())


@contextmanager
def workers(home: Path, conninfo: str, count: int) -> Generator[list[BaseProcess]]:
    """Some workers; whoever is in the list at the end is killed."""
    running = [started(home, conninfo) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            kill(process)


def started(home: Path, conninfo: str) -> BaseProcess:
    """One more worker."""
    process = CONTEXT.Process(target=work, args=(home, conninfo))
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """Without a word."""
    if process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()


@contextmanager
def somebody_writing(home: Path, conninfo: str) -> Iterator[None]:
    """People register and change, as fast as it goes, whatever happens to the connections."""
    stop = threading.Event()
    writer = threading.Thread(target=lambda: asyncio.run(_write(home, conninfo, stop)))
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


async def _write(home: Path, conninfo: str, stop: threading.Event) -> None:
    async with open_service(settings_in(home), conninfo) as service:

        async def live(number: int) -> None:
            facts = registration(f"{someone}.{number}", country=random.choice(["SE", "DE"]))
            user_id = (await service.commands.run(register_user, facts, context())).aggregate_id
            for country in ("NO", "FR", "SE"):
                patch = ProfilePatch(display_name=f"From {country}", country=country)
                await service.commands.run(change_profile, ChangeProfile(user_id=user_id, patch=patch), context())

        someone = uuid.uuid4().hex
        number = 0
        while not stop.is_set():
            outcomes = await asyncio.gather(*(live(number + n) for n in range(8)), return_exceptions=True)
            number += 8
            for outcome in outcomes:
                if isinstance(outcome, BaseException) and not isinstance(outcome, UNREACHABLE):
                    raise outcome


def cut_all_connections(conninfo: str) -> None:
    """What a restart of the database does to those who use it."""
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def rows_that_differ(conninfo: str, model: Projection[Any]) -> int:
    """Rows that are in the live generation and not in a fresh replay, or the other way round."""
    with projector(conninfo) as connection:
        live = ensure_live(connection, model)
        fresh = filled(conninfo, model)
        query = sql.SQL(
            "SELECT count(*) FROM ((TABLE {0} EXCEPT ALL TABLE {1}) UNION ALL (TABLE {1} EXCEPT ALL TABLE {0})) d"
        ).format(ModelTable(model, live.generation).name, ModelTable(model, fresh).name)
        row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def follow_and_freeze(home: Path, conninfo: str, outcome: Any) -> None:
    """Stop in the middle of a batch, with the checkpoint locked; on waking up, go on as if nothing had happened."""
    grant(settings_in(home))

    def fold(row: Any, recorded: Recorded[Any]) -> Any:
        if recorded.position >= 20 and not freezes:
            freezes.append(recorded.position)
            os.kill(os.getpid(), signal.SIGSTOP)
        return USER_DIRECTORY.fold(row, recorded)

    freezes: list[int] = []
    impatient = in_role(conninfo, PROJECTOR_ROLE, idle_in_transaction_session_timeout=FROZEN_FOR)
    with psycopg.connect(impatient, autocommit=True) as connection:
        try:
            progress = follow_batch(connection, replace(USER_DIRECTORY, fold=fold), generation=1)
            outcome.put(f"moved to {progress}")
        except psycopg.Error as error:
            outcome.put(type(error).__name__)


def is_stopped(process: BaseProcess) -> bool:
    """Whether a process stands still."""
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
