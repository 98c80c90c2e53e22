"""`reprise run`, for tests: started, ready, and gone at the end."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped] # its stubs are a package of their own

from tests.support.cli import CommandLine
from tests.support.waiting import PATIENCE_SECONDS, eventually


@dataclass(frozen=True)
class Running:
    """A run that has said it is ready."""

    process: subprocess.Popen[str]
    url: str
    docs: str
    token: str
    processes: dict[str, int]

    def get(self, path: str) -> httpx.Response:
        """What the API answers to its administrator."""
        return httpx.get(self.url + path, headers={"Authorization": f"Bearer {self.token}"})

    def is_ready(self) -> bool:
        """Whether the API answers, and says it is ready."""
        try:
            return self.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def family(self) -> list[psutil.Process]:
        """All processes of the run but the supervisor itself."""
        family: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return family

    def postmaster(self) -> psutil.Process:
        """The embedded server."""
        (found,) = (child for child in psutil.Process(self.process.pid).children() if child.name() == "postgres")
        return found

    def next_event(self) -> dict[str, Any]:
        """What the run tells next."""
        assert self.process.stdout
        event: dict[str, Any] = json.loads(self.process.stdout.readline())
        return event

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the run to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running(reprise: CommandLine) -> Iterator[Running]:
    """A run at any free port."""
    with reprise.started("run", "--port", "0", "--json") as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        assert first, process.stderr.read()
        ready = json.loads(first)
        run = Running(process, ready["url"], ready["docs"], ready["token"], ready["processes"])
        try:
            yield run
        finally:
            if process.poll() is None:
                run.stop()


def wait_until_gone(processes: list[psutil.Process]) -> None:
    """Wait until none of these processes is alive any more; whoever has only not been noticed yet is dead."""
    eventually(lambda: not any(map(_is_alive, processes)), "the end of all processes")


def kill(pid: int) -> None:
    """End a process that a run has started, without a word."""
    os.kill(pid, signal.SIGKILL)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
