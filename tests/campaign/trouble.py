"""What a campaign does to a run: each of these happens to somebody's service one day."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it has no stubs of its own
import psycopg

from infrastructure.embedded_postgres import serving_process

FREEZE_SECONDS = 3.0


class Victims:
    """The processes of a run, as they are at the moment."""

    def __init__(self, supervisor: int, home: Path, conninfo: str) -> None:
        self._supervisor = psutil.Process(supervisor)
        self._postgres = home / "postgres"
        self._conninfo = conninfo

    def api(self) -> list[int]:
        """What serves."""
        return [process.pid for process in self._commands("serve")]

    def worker(self) -> list[int]:
        """What follows, seals and mails."""
        return [process.pid for process in self._commands("project")]

    def rebuild(self) -> list[int]:
        """What rebuilds, and what fills for it."""
        children = [child for worker in self._commands("project") for child in _children(worker)]
        return [child.pid for child in children if any("multiprocessing.spawn" in word for word in _words(child))]

    def postmaster(self) -> list[int]:
        """The server."""
        process = serving_process(self._postgres)
        return [process] if process is not None else []

    async def end_sessions(self) -> None:
        """As an operator, a proxy or a failover does."""
        with suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, connect_timeout=2
            ) as owner:
                await owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    def _commands(self, name: str) -> list[psutil.Process]:
        return [child for child in _children(self._supervisor) if name in _words(child)]


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        found: list[psutil.Process] = process.children(recursive=True)
        return found
    return []


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        words: list[str] = process.cmdline()
        return words
    return []


Trouble = Callable[[Victims], Awaitable[None]]


def _signalled(find: Callable[[Victims], list[int]], number: signal.Signals) -> Trouble:
    async def send(victims: Victims) -> None:
        _send(find(victims), number)

    return send


def _frozen(find: Callable[[Victims], list[int]]) -> Trouble:
    async def freeze(victims: Victims) -> None:
        processes = find(victims)
        _send(processes, signal.SIGSTOP)
        await asyncio.sleep(FREEZE_SECONDS)
        _send(processes, signal.SIGCONT)

    return freeze


def _send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


TROUBLES: dict[str, Trouble] = {
    "API killed": _signalled(Victims.api, signal.SIGKILL),
    "API asked to stop": _signalled(Victims.api, signal.SIGTERM),
    "API quit": _signalled(Victims.api, signal.SIGQUIT),
    "API frozen": _frozen(Victims.api),
    "worker killed": _signalled(Victims.worker, signal.SIGKILL),
    "worker frozen": _frozen(Victims.worker),
    "rebuild killed": _signalled(Victims.rebuild, signal.SIGKILL),
    "rebuild frozen": _frozen(Victims.rebuild),
    "sessions ended": Victims.end_sessions,
    "server killed": _signalled(Victims.postmaster, signal.SIGKILL),
    "server quit": _signalled(Victims.postmaster, signal.SIGQUIT),
    "server frozen": _frozen(Victims.postmaster),
}
"""By name."""
