"""A database that neither answers nor goes away: whoever asks it is told so within a bound."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from infrastructure.postgres import connections
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.postgres.unavailability import is_unavailable
from tests.support.frozen_proxy import Proxy, proxy_to


@pytest.fixture
async def proxy(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """On the way to a migrated database."""
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    with tempfile.TemporaryDirectory() as directory:
        async with proxy_to(database, Path(directory)) as proxy:
            yield proxy


async def in_role_of_app(proxy: Proxy) -> str:
    """In a thread, because it asks through the proxy what the role is called, and the proxy is served by this one."""
    return await asyncio.to_thread(in_role, proxy.conninfo, APP_ROLE)


async def test_a_query_to_a_frozen_server_ends_as_one_to_a_server_that_is_gone(proxy: Proxy) -> None:
    async with reading_pool(await in_role_of_app(proxy), 1) as pool:
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
        proxy.moves.clear()

        with pytest.raises(psycopg.OperationalError) as caught:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

        assert is_unavailable(caught.value)
        proxy.moves.set()
        async with pool.connection() as connection:
            assert await (await connection.execute("SELECT 2")).fetchone() == (2,)


async def test_a_hundred_queries_to_a_frozen_server_all_end(proxy: Proxy) -> None:
    async with reading_pool(await in_role_of_app(proxy), 4) as pool:

        async def ask() -> None:
            async with pool.connection(timeout=2.0) as connection:
                await connection.execute("SELECT 1")

        await asyncio.gather(*(ask() for _ in range(10)))
        proxy.moves.clear()

        outcomes = await asyncio.gather(*(ask() for _ in range(100)), return_exceptions=True)

        assert len(outcomes) == 100
        assert all(is_unavailable(outcome) for outcome in outcomes)
        proxy.moves.set()
        await ask()
