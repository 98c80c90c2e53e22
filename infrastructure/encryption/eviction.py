"""Drops erased people, and entries that are too old, from the memory of this process.

Answers never depend on that memory (docs/decisions/0004-privacy.md); this only limits how long it keeps something.
"""

import asyncio
import contextlib
from typing import Any, Protocol, Self
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from infrastructure.encryption.key_cache import SubjectKeys

LOOK_SECONDS = 1.0
"""How often a process checks for erasures: the longest that it remembers an erased person, if the database answers."""

_ERASED = 'SELECT subject_id, "position" FROM keys.erasure WHERE "position" > %s ORDER BY "position" LIMIT 10000'
_LAST = 'SELECT coalesce(max("position"), 0) FROM keys.erasure'

log = structlog.get_logger(__name__)


class Memory(Protocol):
    """Remembers people."""

    def forget(self, subject_id: UUID, /) -> None:
        """Drop somebody."""
        ...


class Forgetting:
    """Has the memories of this process forget, for as long as the context lasts."""

    def __init__(
        self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], keys: SubjectKeys, *others: Memory
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._memories: tuple[Memory, ...] = (keys, *others)
        self._seen: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.look()
        self._task = asyncio.create_task(self._forget_for_ever(), name="forgetting")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Forget who was erased since the last time; and take up a new master key."""
        self._keys.forget_old()
        async with self._pool.connection() as connection:
            await self._keys.masters.load(connection)
            if self._seen is None:  # at the beginning there is nothing in memory
                self._seen = (await (await connection.execute(_LAST)).fetchone() or (0,))[0]
            cursor = await connection.execute(_ERASED, (self._seen,), prepare=True)
            erased = await cursor.fetchall()
        for subject_id, position in erased:
            for memory in self._memories:
                memory.forget(subject_id)
            self._seen = position

    async def _forget_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("forgetting.failed", error=type(error).__name__)
