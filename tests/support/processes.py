"""Parts of the running system as processes of their own, as operators start them.

What a test draws at random cannot be disturbed by them: connection pools and workers draw, too.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from api.cli.parent_watch import LIFELINE
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.settings import Settings, http_url
from tests.support.api import Api
from tests.support.ports import reserved_port
from tests.support.running import settings_in
from tests.support.waiting import PATIENCE_SECONDS, eventually


@contextmanager
def serving_processes(
    home: Path, conninfo: str, workers: int = 1, log: Path | None = None, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The API on a migrated database, and its URL; ended by force, if it has not ended before."""
    with reserved_port() as port:
        url = http_url("127.0.0.1", port)
        arguments = ["-m", "tests.support.api_process", embedded_as(Login.API, conninfo), str(workers)]
        environment = {"REPRISE_HOME": str(home), "REPRISE_PORT": str(port), **variables}
        with _process(arguments, environment, log or home / f"api-{port}.log") as server:
            eventually(lambda: server.poll() is not None or answers(url), "the process to serve")
            assert server.poll() is None, "The API did not start; its log says why."
            yield server, url


@contextmanager
def serving_process(settings: Settings, conninfo: str, log: Path | None = None, **variables: str) -> Iterator[Api]:
    """The API in one process, until the end of the context."""
    with (
        serving_processes(settings.home, conninfo, 1, log, **variables) as (_, url),
        httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as http,
        closing(Api(url, settings_in(settings.home, **variables), conninfo, http)) as api,
    ):
        yield api


@contextmanager
def worker_process(settings: Settings, conninfo: str) -> Iterator[None]:
    """`reprise project`, until the end of the context."""
    environment = {"REPRISE_HOME": str(settings.home), "REPRISE_DATABASE_URL": embedded_as(Login.WORKER, conninfo)}
    with _process(["-m", "api.cli", "project"], environment, settings.home / "worker.log") as worker:
        yield
        assert worker.poll() is None, "The worker has ended; its log says why."
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE_SECONDS)


@contextmanager
def _process(arguments: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that ends with this one, whatever becomes of it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    reading_end, writing_end = os.pipe()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
    with log.open("ab") as words:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=inherited | environment | {LIFELINE: str(reading_end), "PYTHONWARNINGS": "default"},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[reading_end],
        )
    os.close(reading_end)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        os.close(writing_end)


def answers(url: str) -> bool:
    """Whether something serves there."""
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def is_listening(url: str) -> bool:
    """Whether connections are taken there."""
    try:
        socket.create_connection(address(url)).close()
    except OSError:
        return False
    return True


def address(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)
