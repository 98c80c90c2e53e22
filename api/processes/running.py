"""`reprise run`: all processes under one supervisor."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from api.cli.values import Port, settings_for
from api.processes.database_keeper import Hold, held_database
from api.processes.ports import free_port
from api.processes.readiness import base_url, until_ready
from api.processes.run_reports import JsonRunReport, Running, RunReport, RunToken, TextRunReport
from api.processes.supervision import Child, Supervisor, supervision
from application.actors import Role
from infrastructure.embedded_postgres import EmbeddedPostgresError, serving_process
from infrastructure.postgres.connections import as_app
from infrastructure.postgres.database import embedded_as, migrate_owned, owners_database, reached_as
from infrastructure.postgres.logins import ROLES, Login, check_login
from infrastructure.production import check_production
from infrastructure.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOKEN_LIFETIME = timedelta(hours=12)
SAMPLE = Path(__file__).parents[2] / "examples" / "people.jsonl"
"""Sample users, in checkouts only."""
LOOK_AT_DATABASE_SECONDS = 1.0
_OF_OTHERS = {
    "api": {"REPRISE_WORKER_DATABASE_URL", "REPRISE_OWNER_DATABASE_URL"},
    "samples": {"REPRISE_WORKER_DATABASE_URL", "REPRISE_OWNER_DATABASE_URL"},
    "projections": {"REPRISE_OWNER_DATABASE_URL"},
}
"""Logins that a process does not need and does not get."""


def run(*, host: str | None = None, port: Port | None = None, json: bool = False) -> None:
    """Start everything: database, API and projections; Ctrl-C stops it.

    The database is the embedded PostgreSQL, unless REPRISE_DATABASE_URL names another one. Migrates the schema, and
    imports sample users if the log is empty. Restarts processes that die. A second Ctrl-C does not wait for requests in
    progress. With REPRISE_PRODUCTION=yes there are no sample users and no token.

    Parameters
    ----------
    host
        The address to listen on (default: REPRISE_HOST, or 127.0.0.1).
    port
        The port to listen on (default: REPRISE_PORT, or 8000); 0 for any free one.
    json
        Write lines of JSON: one when everything is ready, and one whenever a process was restarted.

    """
    settings = settings_for(host, port)
    check_production(settings)
    command = ["run", *(["--host", host] if host else []), *(["--json"] if json else [])]
    settings = replace(settings, port=free_port(settings.host, settings.port, command))
    report = JsonRunReport() if json else TextRunReport()
    with held_database(settings) as hold, ExitStack() as databases:
        report.progress("Starting the database.")
        conninfo = _brought_up_to_date(settings, databases.enter_context(owners_database(settings)))
        report.progress("Starting the API and the projections.")
        asyncio.run(_Run(settings, conninfo, report, databases, hold).run())
    report.stopped()


def _brought_up_to_date(settings: Settings, owners: str) -> str:
    """Migrate the database as its owner; return how the API connects to it."""
    migrate_owned(settings, owners)
    if settings.is_embedded:
        return embedded_as(Login.API, owners)
    for login in ROLES:  # The processes would report this, too, but only in their logs.
        check_login(reached_as(login, settings), login, production=settings.production)
    return reached_as(Login.API, settings)


class _Run:
    """One run, from the first process to the last."""

    def __init__(
        self, settings: Settings, conninfo: str, report: RunReport, databases: ExitStack, hold: Hold | None
    ) -> None:
        self._settings = settings
        self._conninfo = conninfo
        self._report = report
        self._databases = databases
        self._hold = hold
        self._stop_requested = asyncio.Event()

    async def run(self) -> None:
        """Start the processes, report when they are ready, keep them running until asked to stop, and stop them."""
        try:
            async with supervision(self._restarted, self._failing) as supervisor:
                self._listen_to_signals(supervisor)
                await self._start(supervisor)
        finally:
            _ignore_signals()  # Stopping the database must not be interrupted.

    async def _start(self, supervisor: Supervisor) -> None:
        api, projections = self._child("api", "serve"), self._child("projections", "project")
        await supervisor.keep(api)
        await supervisor.keep(projections)
        await supervisor.until(_first(self._stop_requested.wait(), self._become_ready(supervisor)))
        if not self._stop_requested.is_set():
            supervisor.is_steady = True
            if self._hold:  # The others use the database by now.
                await asyncio.to_thread(self._hold.let_go)
            self._report.ready(self._running(api, projections))
            await supervisor.until(_first(self._stop_requested.wait(), self._keep_database()))
        self._report.stopping()

    async def _become_ready(self, supervisor: Supervisor) -> None:
        if not self._settings.production and SAMPLE.exists() and await asyncio.to_thread(_log_is_empty, self._conninfo):
            samples = self._child("samples", "import", str(SAMPLE), "--json")
            await supervisor.start(samples)
            failed = await samples.ended()
            self._report.progress(
                f"The sample users could not be imported: see {samples.log}."
                if failed
                else "Sample users were imported."
            )
        await until_ready(self._settings)

    async def _keep_database(self) -> None:
        """Restart the embedded server if it dies. One that is only too busy to answer has not."""
        directory = self._settings.home / "postgres"
        server = await asyncio.to_thread(serving_process, directory)
        while True:
            await asyncio.sleep(LOOK_AT_DATABASE_SECONDS)
            if not self._settings.is_embedded or await asyncio.to_thread(serving_process, directory) == server:
                continue
            with suppress(EmbeddedPostgresError):
                await asyncio.to_thread(self._databases.enter_context, owners_database(self._settings))
                before, server = server, await asyncio.to_thread(serving_process, directory)
                if server != before:
                    self._report.progress("The database died and was restarted.")

    def _running(self, *children: Child) -> Running:
        url = base_url(self._settings)
        return Running(
            url=url,
            docs=f"{url}/docs",
            home=str(self._settings.home),
            token=_token(self._settings),
            processes={child.name: child.pid for child in children},
        )

    def _child(self, name: str, *arguments: str) -> Child:
        settings = self._settings
        environment = {
            **{variable: text for variable, text in os.environ.items() if variable not in _OF_OTHERS.get(name, ())},
            "REPRISE_HOME": str(settings.home),
            "REPRISE_HOST": settings.host,
            "REPRISE_PORT": str(settings.port),
        }
        return Child(name, arguments, settings.home / "logs", environment)

    def _restarted(self, child: Child, code: int) -> None:
        self._report.restarted(child.name, child.pid, code)

    def _failing(self, child: Child, code: int, pause: float) -> None:
        self._report.failing(child.name, code, child.log, pause)

    def _listen_to_signals(self, supervisor: Supervisor) -> None:
        def stop() -> None:
            if self._stop_requested.is_set():
                supervisor.at_once.set()
            self._stop_requested.set()

        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, stop)


def _token(settings: Settings) -> RunToken | UnsetType:
    """A token to try things out; in production the identity provider decides who is an administrator."""
    from infrastructure.tokens.issuer import TokenIssuer

    if settings.production:
        return UNSET
    return RunToken(TokenIssuer(settings).issue(Role.ADMIN, "cli", TOKEN_LIFETIME), TOKEN_LIFETIME)


def _ignore_signals() -> None:
    loop = asyncio.get_running_loop()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


async def _first(*works: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of several to end, and end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


def _log_is_empty(conninfo: str) -> bool:
    with psycopg.connect(as_app(conninfo)) as connection:
        return connection.execute('SELECT FROM log.tip WHERE "position" = 0').rowcount == 1
