"""The command line as its users have it: as processes, with a home and a database of their own."""

import gc
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from api.cli import main
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import EMBEDDED, Login
from tests.support.waiting import PATIENCE_SECONDS

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """`reprise` with the variables of one environment."""

    home: Path
    database_url: str | None = None
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
        return {
            **inherited,
            "PYTHONPATH": str(CHECKOUT),
            "REPRISE_HOME": str(self.home),
            **self._database,
            **dict(self.variables),
        }

    @property
    def _database(self) -> Mapping[str, str]:
        """Each login of the tests' server, if it is that one; its superuser is the owner."""
        if self.database_url is None:
            return {}
        if f"user={EMBEDDED[Login.OWNER]}" not in self.database_url:
            return {"REPRISE_DATABASE_URL": self.database_url}
        return {
            "REPRISE_DATABASE_URL": embedded_as(Login.API, self.database_url),
            "REPRISE_WORKER_DATABASE_URL": embedded_as(Login.WORKER, self.database_url),
            "REPRISE_OWNER_DATABASE_URL": self.database_url,
        }

    def run(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """Run a command to its end."""
        command = [sys.executable, "-m", "api.cli", *arguments]
        ended = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def call(self, *arguments: str) -> Ended:
        """Run a command in this process: quicker, for what does not depend on a process of its own."""
        out, err = StringIO(), StringIO()
        with _as_in_a_new_process(self.environment), redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
        return Ended(code, out.getvalue(), err.getvalue())

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on; if it still does at the end of the context, it is killed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


@contextmanager
def new_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database made from another one, for tests that share it."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    yield server.conninfo(name)


@contextmanager
def _as_in_a_new_process(environment: Mapping[str, str]) -> Iterator[None]:
    """Give this process other variables, and take back what a command does to the process it runs in."""
    variables, thresholds = dict(os.environ), gc.get_threshold()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(variables)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def head_of(conninfo: str) -> int:
    """The last position of a log."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute('SELECT "position" FROM log.head').fetchone()
    return row[0] if row else 0
