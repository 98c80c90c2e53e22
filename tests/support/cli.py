"""The command line as its users have it: as processes, with a home and a database of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg

CHECKOUT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


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
        database = {"REPRISE_DATABASE_URL": self.database_url} if self.database_url else {}
        return {
            **inherited,
            "PYTHONPATH": str(CHECKOUT),
            "REPRISE_HOME": str(self.home),
            **database,
            **dict(self.variables),
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


def head_of(conninfo: str) -> int:
    """The last position of a log."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute('SELECT "position" FROM log.head').fetchone()
    return row[0] if row else 0


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that a process has started, directly or not."""
    return psutil.Process(process.pid).children(recursive=True)


def are_gone(processes: list[psutil.Process]) -> bool:
    """Whether none of these processes is alive any more."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
