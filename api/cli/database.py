"""The database that a command works on, opened in the ways that commands need it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from infrastructure.postgres.connections import as_app, reading_pool
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.settings import Settings, settings_from

if TYPE_CHECKING:
    from application.ports import Service

T = TypeVar("T")
Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


@dataclass(frozen=True)
class Database:
    """A database in use: the settings that name it, and how one of its logins connects to it."""

    settings: Settings
    conninfo: str

    def connected(self, role: Callable[[str], str] | None = None) -> psycopg.Connection[Any]:
        """A connection in autocommit mode, in a role (`as_app`) or with all rights of the login."""
        return psycopg.connect(role(self.conninfo) if role else self.conninfo, autocommit=True)

    def with_pool(self, ask: Callable[[Pool], Awaitable[T]]) -> T:
        """What a query answers, to which one connection in the role of the API is enough."""

        async def answered() -> T:
            async with reading_pool(as_app(self.conninfo), 1) as pool:
                return await ask(pool)

        return asyncio.run(answered())

    def with_service(self, ask: Callable[["Service"], Awaitable[T]]) -> T:
        """What the whole service answers, all its queries and use cases."""
        from infrastructure.composition import open_service

        async def answered() -> T:
            async with open_service(self.settings, self.conninfo) as service:
                return await ask(service)

        return asyncio.run(answered())


@contextmanager
def open_database(login: Login) -> Iterator[Database]:
    """Open the database that the settings name, with one of its logins; an embedded one must have data already.

    Raises what `settings_from`, `require_data` and `migrated_database` do.
    """
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, login) as conninfo:
        yield Database(settings, conninfo)
