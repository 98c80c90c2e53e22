"""The processes that are measured: started and stopped by their id, with their words in a file."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil  # type: ignore[import-untyped]

from api.cli.parent_watch import LIFELINE

START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.02
LAST_WORDS = 2_000


class ProcessFailedError(Exception):
    """A process that is to be measured did not start, or ended too early. Has its last words."""


class Program:
    """A running program of ours."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def must_live(self) -> None:
        """Raise `ProcessFailedError` if it has ended."""
        if self._process.poll() is not None:
            words = self._log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]
            raise ProcessFailedError(f"{self._log.name} ended with {self._process.returncode}:\n{words}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def resident_megabytes(self) -> float:
        """The memory of the process and of all that it started (RSS; what they share counts each time)."""
        return resident_megabytes(self._process.pid)

    def stop(self) -> None:
        """Have it finish what it is at, and end."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


ProgramT = TypeVar("ProgramT", bound=Program)


class Api(Program):
    """An API of one or more processes, which listens."""

    port: int
    workers: int


@contextmanager
def running_api(environment: Mapping[str, str], folder: Path, workers: int = 1) -> Iterator[Api]:
    """The API, with the routes that do nothing beside its own, until the end of the context."""
    arguments = ["-m", "benchmarks.api_process", str(workers)]
    with (
        _reserved_port() as port,
        _running(arguments, {**environment, "REPRISE_PORT": str(port)}, folder / f"api-{port}.log", Api) as api,
    ):
        api.port, api.workers = port, workers
        _wait_until_it_answers(api, port)
        yield api


@contextmanager
def running_worker(
    environment: Mapping[str, str], folder: Path, duties: Sequence[str] = ("read-models", "seal")
) -> Iterator[Program]:
    """`reprise project` that keeps the read models and seals the log, unless it is to do something else.

    Mails are left to a worker of its own, as a service would that hands thousands of them a second to a mail server.
    """
    given = [argument for duty in duties for argument in ("--duty", duty)]
    with _running(["-m", "api.cli", "project", *given], environment, folder / "worker.log", Program) as worker:
        yield worker


@contextmanager
def running_everything(folder: Path) -> Iterator[Program]:
    """What `make run` runs, with a home of its own in a folder, once it answers."""
    environment = {"REPRISE_HOME": str(folder / "everything")}
    with (
        _reserved_port() as port,
        _running(
            ["-m", "api.cli", "run"], {**environment, "REPRISE_PORT": str(port)}, folder / "everything.log", Program
        ) as program,
    ):
        _wait_until_it_answers(program, port)
        yield program


def resident_megabytes(process_id: int) -> float:
    """The memory of a process and of all that it started."""
    octets = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                octets += one.memory_info().rss
    return round(octets / 1e6, 1)


@contextmanager
def _running(
    arguments: list[str], environment: Mapping[str, str], log: Path, kind: type[ProgramT]
) -> Iterator[ProgramT]:
    reading_end, writing_end = os.pipe()
    with log.open("ab") as words:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environment, LIFELINE: str(reading_end)},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[reading_end],
        )
    os.close(reading_end)
    program = kind(process, log)
    try:
        yield program
        program.must_live()
    finally:
        program.stop()
        os.close(writing_end)


def _wait_until_it_answers(program: Program, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        program.must_live()
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return
        time.sleep(LOOK_SECONDS)
    raise ProcessFailedError("The API does not answer.")


@contextmanager
def _reserved_port() -> Iterator[int]:
    """Bound, but not listening: the system gives it to nobody else, and the API may listen at it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
