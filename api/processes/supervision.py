"""Runs processes of this program, restarts them when they die, and stops them one after another."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from api.cli.failures import Failure
from api.cli.parent_watch import LIFELINE
from infrastructure.files.private_files import open_to_append

T = TypeVar("T")

LOG_LIMIT = 10_000_000
"""Octets; a longer log is rotated when its process starts."""
LAST_WORDS = 2_000
"""Octets at the end of a log that are shown when its process cannot be started."""
PATIENCE_SECONDS = 20.0
"""How long a process may take to stop."""
FIRST_PAUSE_SECONDS = 0.2
STEADY_SECONDS = 10.0
"""A process that has run this long did not fail at start-up."""
LONGEST_PAUSE_SECONDS = 5.0
"""The pauses between deaths in a row double until then: longer ones would save little and be an outage."""
FAILING_FROM = 3
"""After this many deaths in a row, a process is reported as failing, each time."""


class Child:
    """A process in a session of its own, which the terminal's Ctrl-C does not reach."""

    def __init__(self, name: str, arguments: Sequence[str], logs: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments = arguments
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, as long as it lives."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, lifeline: int) -> None:
        """Start the process; it ends by itself when the writing end of the lifeline is closed."""
        with _opened(self.log) as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "api.cli", *self._arguments),  # -P: not what the working directory happens to hold
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, LIFELINE: str(lifeline)},
                pass_fds=(lifeline,),
                start_new_session=True,
            )

    async def ended(self) -> int:
        """Wait until it and its own children have ended; its exit code."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self._kill()
        return code

    async def stop(self, at_once: asyncio.Event) -> None:
        """Have it finish its current work, within a time limit."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        ended, hurried = asyncio.create_task(self.ended()), asyncio.create_task(at_once.wait())
        await asyncio.wait({ended, hurried}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done():
            self._kill()
        await ended

    def last_words(self) -> str:
        """The end of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LAST_WORDS))
            return log.read().decode(errors="replace").strip()

    def _kill(self) -> None:
        """Kill whatever is left of its session."""
        if self._process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


class Supervisor:
    """Children under supervision."""

    def __init__(
        self, on_restart: Callable[[Child, int], None], on_failing: Callable[[Child, int, float], None]
    ) -> None:
        self.is_steady = False
        """Whether all children have worked. Until then, the run stops if one of them dies; from then on, none stops the
        others."""
        self.at_once = asyncio.Event()
        """Set to stop without waiting."""
        self._on_restart = on_restart
        self._on_failing = on_failing
        self._lifeline, self._writing_end = os.pipe()
        self._children: list[Child] = []
        self._keepers: set[asyncio.Task[None]] = set()

    async def start(self, child: Child) -> None:
        """Start a child that comes to an end by itself."""
        await child.start(self._lifeline)
        self._children.append(child)

    async def keep(self, child: Child) -> None:
        """Start a child, and start it again whenever it dies."""
        await self.start(child)
        self._keepers.add(asyncio.create_task(self._keep(child)))

    async def until(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something while the children live. Raises `Failure` if one of them dies before all have worked."""
        awaited = asyncio.create_task(work)
        try:
            await asyncio.wait({awaited, *self._keepers}, return_when=asyncio.FIRST_COMPLETED)
            for keeper in self._keepers:
                if keeper.done():
                    keeper.result()
            return await awaited
        finally:
            awaited.cancel()

    async def stop(self) -> None:
        """Stop the children in the order in which they were started, one after another."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for child in self._children:
            await child.stop(self.at_once)
        os.close(self._writing_end)
        os.close(self._lifeline)

    async def _keep(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        pause, deaths = 0.0, 0
        while True:
            began = loop.time()
            code = await child.ended()
            if not self.is_steady:
                raise Failure(f"{child.name} ended with {code}. The end of {child.log}: {child.last_words()}")
            if loop.time() - began > STEADY_SECONDS:
                pause, deaths = 0.0, 0
            pause, deaths = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS), deaths + 1
            if deaths >= FAILING_FROM:
                self._on_failing(child, code, pause)
            await asyncio.sleep(pause)
            with suppress(OSError):  # No room for its log, or for another process: it has ended, and is tried again.
                await child.start(self._lifeline)
                self._on_restart(child, code)


@asynccontextmanager
async def supervision(
    on_restart: Callable[[Child, int], None], on_failing: Callable[[Child, int, float], None]
) -> AsyncIterator[Supervisor]:
    """A supervisor that stops its children at the end of the context, whatever happens."""
    supervisor = Supervisor(on_restart, on_failing)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A log to append to, readable by its owner only; one that has grown too long begins anew beside the old one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".old.log"))
    with open_to_append(path) as file:
        yield file.fileno()
