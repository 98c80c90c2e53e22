"""The log as a whole, as ports see it."""

from collections.abc import Callable, Coroutine
from typing import Any, LiteralString

import psycopg
from psycopg_pool import AsyncConnectionPool

from application.queries import LogFault

FaultOfLog = Callable[[], Coroutine[Any, Any, LogFault | None]]


class LogQueries:
    """Where the log ends, and whether anything can be appended to it."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        fault: FaultOfLog,
    ) -> None:
        self._pool = pool
        self.fault = fault

    async def head(self) -> int:
        """The last position that was given out."""
        return await self._number('SELECT "position" FROM log.tip')

    async def head_octets(self) -> int:
        """The size of the table that says where the log ends: all versions of its one row."""
        return await self._number("SELECT pg_relation_size('log.head')")

    async def _number(self, query: LiteralString) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(query, prepare=True)).fetchone()
        return row[0] if row else 0
