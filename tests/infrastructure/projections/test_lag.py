"""How far read models are behind, whatever clocks say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psycopg

from application.users.directory import USER_DIRECTORY
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from tests.support.running import follow_to_head, registered

NAME = USER_DIRECTORY.name


class Clock:
    """The monotonic clock of a process."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asking(conninfo: str) -> AsyncIterator[tuple[ProjectionQueries, Clock]]:
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        yield ProjectionQueries(pool, clock := Clock()), clock


async def lag(queries: ProjectionQueries) -> float:
    return next(status.lag_seconds for status in await queries.statuses() if status.name == NAME)


def move_the_log(conninfo: str, by: timedelta) -> None:
    """As if the database's clock had been so far ahead, until just now."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("UPDATE log.head SET recorded_at = clock_timestamp() + %s", (by,))


async def test_a_standstill_is_told_although_instants_are_two_days_ahead(history: str, home: Path) -> None:
    follow_to_head(history)
    move_the_log(history, timedelta(days=2))
    await registered(history, home, "ahead")

    async with asking(history) as (queries, clock):
        assert await lag(queries) == 0.0
        clock.now += 61
        assert await lag(queries) == 61.0
        follow_to_head(history)
        assert await lag(queries) == 0.0


async def test_what_a_model_has_not_reached_for_a_moment_only_is_no_lag(history: str, home: Path) -> None:
    """Between two looks it was at the head, or it has moved on, however long ago the first one was."""
    follow_to_head(history)
    move_the_log(history, timedelta(days=2))

    async with asking(history) as (queries, clock):
        assert await lag(queries) == 0.0
        clock.now += 3_600
        await registered(history, home, "first")
        assert await lag(queries) == 0.0
        follow_to_head(history)
        clock.now += 3_600
        await registered(history, home, "second")
        assert await lag(queries) == 0.0


async def test_by_the_database_s_clock_the_next_event_is_as_old_as_it_is(history: str, home: Path) -> None:
    follow_to_head(history)
    await registered(history, home, "now")
    with psycopg.connect(history, autocommit=True) as connection, connection.transaction():
        connection.execute("ALTER TABLE log.event DISABLE TRIGGER event_is_append_only")
        connection.execute("UPDATE log.event SET recorded_at = clock_timestamp() - interval '1 hour'")
        connection.execute("ALTER TABLE log.event ENABLE TRIGGER event_is_append_only")

    async with asking(history) as (queries, _):
        assert 3_600 <= await lag(queries) < 4_000
