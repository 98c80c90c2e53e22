"""Queries that ask for as much as can be had in time are always answered, and wait for what is on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from psycopg import sql

from application.queries import Freshness, PositionNotReachedError
from application.users.directory import USER_DIRECTORY, UserEntry
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.queries.read_model import Lists, ReadModel, Selection
from infrastructure.queries.waiting import PLACES_OF_ONE
from tests.support.running import follow_to_head, registered

LONG, SHORT = 60.0, 0.05
ALL = Selection(sql.SQL("ORDER BY m.user_id"), {})


@asynccontextmanager
async def model_in(conninfo: str, wait_seconds: float) -> AsyncIterator[tuple[ReadModel[UserEntry], Lists]]:
    async with reading_pool(in_role(conninfo, APP_ROLE), 2) as pool:
        lists = Lists(pool, wait_seconds)
        yield ReadModel(lists, USER_DIRECTORY, UserEntry), lists


async def looked(lists: Lists, times: int) -> None:
    """Return when the database has been asked so often."""
    while lists.waiting.looks < times:
        await _turn()


async def _turn() -> None:
    await asyncio.sleep(0)


def as_far_as(position: int) -> Freshness:
    return Freshness(position, "user:me", best_effort=True)


async def test_rows_that_are_on_their_way_are_waited_for(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home, "ada")

    async with model_in(history, LONG) as (model, lists):
        answer = asyncio.create_task(model.select(ALL, as_far_as(position)))
        looks = asyncio.create_task(looked(lists, 3))
        first, _ = await asyncio.wait({answer, looks}, return_when=asyncio.FIRST_COMPLETED)
        assert first == {looks}
        await asyncio.to_thread(follow_to_head, history)
        selected = await answer

    assert selected.position >= position
    assert "ada@example.com" in [row.email for row, _ in selected.rows]


async def test_a_model_that_stands_still_is_waited_for_once(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home, "ada")

    async with model_in(history, SHORT) as (model, lists):
        for _ in range(2):
            assert (await model.select(ALL, as_far_as(position))).position < position
        in_vain = lists.waiting.looks
        assert (await model.select(ALL, as_far_as(position))).position < position
        assert lists.waiting.looks == in_vain > 0

        await asyncio.to_thread(follow_to_head, history)
        later = await registered(history, home, "bob")
        assert position <= (await model.select(ALL, as_far_as(later))).position < later
        assert lists.waiting.looks > in_vain


async def test_a_demand_is_refused_where_best_effort_is_answered(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home, "ada")

    async with model_in(history, SHORT) as (model, _):
        await model.select(ALL, as_far_as(position))
        with pytest.raises(PositionNotReachedError):
            await model.select(ALL, Freshness(position, "user:me"))


async def test_who_finds_no_place_to_wait_is_answered(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home, "ada")

    async with model_in(history, LONG) as (model, lists):
        waits = [
            asyncio.create_task(lists.waiting.until_reached(USER_DIRECTORY.name, Freshness(position, "user:me"), LONG))
            for _ in range(PLACES_OF_ONE)
        ]
        await looked(lists, 1)
        selected = await model.select(ALL, as_far_as(position))
        await asyncio.to_thread(follow_to_head, history)
        await asyncio.gather(*waits)

    assert selected.position < position


async def test_a_position_that_a_restored_log_does_not_know_is_not_waited_for(history: str) -> None:
    follow_to_head(history)

    async with model_in(history, LONG) as (model, _):
        selected = await model.select(ALL, as_far_as(2**40))

    assert selected.rows
