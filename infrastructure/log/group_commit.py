"""Group commit: concurrent commands of one process go to the log as one append.

The log's head row makes writers queue, so the time one append takes is the time in which the next batch gathers: no
timer, no delay when idle. One flusher, one connection. See docs/decisions/0002-write-path.md.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Self

import psycopg
import structlog
from psycopg.errors import ForeignKeyViolation

from application.commands import LogUnavailableError
from application.queries import LogFault
from infrastructure.log.append import Commit, Outcome, append
from infrastructure.log.append_trial import fault_of_log
from infrastructure.postgres.connections import connect
from infrastructure.postgres.unavailability import is_unavailable

BATCH_LIMIT = 256
"""Commands in one append: beyond this the batch gets slower, not the commands cheaper."""
SMALL_BATCH = 32
"""Commands that an append takes even if few others wait."""
SHARE = 8
"""One append takes this part of what waits. While it is on its way, Python has time for the others; and the answers of
large batches would come all at once, with everybody else behind them."""
GATHERED = 12
"""The number of commands that is worth an immediate append."""
QUIET_TURNS = 2
"""Turns of the event loop without another command, after which none is expected: a request takes some turns to become
a command."""
QUEUE_LIMIT = 20_000
"""Commands that may wait; a queue longer than this is served faster by refusing."""
RETRY_SECONDS = 15.0
"""For how long an append is tried again while the database cannot be reached."""
LOOK_SECONDS = 1.0
"""For how long a look at whether the log takes anything counts."""

log = structlog.get_logger(__name__)

_Waiting = tuple[Commit, "asyncio.Future[Outcome]"]


class GroupCommit:
    """Gathers the commits of this process and appends them together."""

    def __init__(self, conninfo: str, on_append: Callable[[], None] = lambda: None) -> None:
        self._conninfo = conninfo
        self._on_append = on_append
        self._waiting: deque[_Waiting] = deque()
        self._something_waits = asyncio.Event()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._closing = False
        self._is_failing = False
        self._looked_at = 0.0
        self._fault: LogFault | None = None

    async def __aenter__(self) -> Self:
        self._flusher = asyncio.create_task(self._flush_for_ever(), name="group-commit")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Append what waits, then stop."""
        self._closing = True
        self._something_waits.set()
        if self._flusher:
            await self._flusher
        await self._disconnect()

    def commit(self, commit: Commit) -> "asyncio.Future[Outcome]":
        """Append, together with whatever else waits. Raises `LogUnavailableError`."""
        if self._closing or len(self._waiting) >= QUEUE_LIMIT:
            raise LogUnavailableError
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((commit, future))
        self._something_waits.set()
        return future

    async def fault(self) -> LogFault | None:
        """Why nothing can be appended, None if all is well; as of a second ago at most.

        Raises the driver's error if the database cannot be reached.
        """
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > LOOK_SECONDS:
            self._fault = await fault_of_log(self._conninfo, thoroughly=self._is_failing)
            self._looked_at = now
        return self._fault

    async def _flush_for_ever(self) -> None:
        while True:
            await self._something_waits.wait()
            if not self._waiting:
                if self._closing:
                    return
                self._something_waits.clear()
                continue
            await self._gather()
            batch = self._take_batch()
            try:
                await self._flush(batch)
            except Exception as error:  # noqa: BLE001 - the flusher must outlive any batch; the callers get the error
                _fail(batch, error)

    async def _gather(self) -> None:
        """Let commands that are under way right now come along: an append has its price, however little it holds.

        No clock is waited for: as soon as the loop has nothing to do that brings another command, the batch goes.
        """
        seen = quiet = 0
        while len(self._waiting) < GATHERED and quiet < QUIET_TURNS:
            quiet = quiet + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)
            await asyncio.sleep(0)

    def _take_batch(self) -> list[_Waiting]:
        """The first that wait, leaving for the next batch what would collide within this one."""
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        taken: set[bytes | int] = set()
        limit = min(BATCH_LIMIT, max(SMALL_BATCH, len(self._waiting) // SHARE))
        while self._waiting and len(batch) < limit:
            waiting = self._waiting.popleft()
            if waiting[1].cancelled():
                continue
            marks = _marks(waiting[0])
            (batch if taken.isdisjoint(marks) else left).append(waiting)
            taken.update(marks)
        self._waiting.extendleft(reversed(left))
        return batch

    async def _flush(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._append_surely([commit for commit, _ in batch])
        except Exception as error:
            if len(batch) == 1 or isinstance(error, LogUnavailableError) or is_unavailable(error):
                raise
            # One of them cannot be stored at all. It must not take the others with it.
            for one in batch:
                try:
                    await self._flush([one])
                except Exception as its_own:  # noqa: BLE001 - as above: whatever it is, it is about this one
                    _fail([one], its_own)
            return
        self._on_append()
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _append_surely(self, commits: list[Commit]) -> list[Outcome]:
        """Append, again and again while the database is lost, full, or read-only.

        Each commit carries its command id, so that one that was recorded before its answer was lost is recognised.
        """
        deadline = asyncio.get_running_loop().time() + RETRY_SECONDS
        pause = 0.02
        while True:
            try:
                outcomes = await append(await self._connected(), commits)
            except ForeignKeyViolation:
                # A new person's key was wrapped with a master key that has just been replaced.
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await _look_up_master_keys(commits, await self._connected())
            except psycopg.Error as error:
                if not is_unavailable(error):
                    raise
                self._is_failing = True
                log.warning(
                    "append.unavailable", error=type(error).__name__, sqlstate=error.sqlstate, commands=len(commits)
                )
                await self._disconnect()
                if asyncio.get_running_loop().time() > deadline:
                    raise LogUnavailableError from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
            else:
                self._is_failing = False
                return outcomes

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None:
            self._connection = await connect(self._conninfo)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with contextlib.suppress(psycopg.Error):
                await connection.close()


def _marks(commit: Commit) -> list[bytes | int]:
    """What two commits of one batch may not share: streams, by the numbers of their ids, and keys."""
    marks: list[bytes | int] = [event.originator_id.int for event in commit.events]
    if commit.key:
        marks.append(commit.key.key)
    return marks


async def _look_up_master_keys(commits: list[Commit], connection: psycopg.AsyncConnection[Any]) -> None:
    for masters in {id(key.masters): key.masters for c in commits for key in c.keys.keys if key.masters}.values():
        await masters.load(connection)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
