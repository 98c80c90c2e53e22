"""Whoever waits for a position of the log keeps nobody else waiting, whether it comes or not."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from application.queries import (
    Freshness,
    PositionNotReachedError,
    PositionUnknownError,
    TooManyWaitingError,
)
from application.users.directory import USER_DIRECTORY, UserEntry
from application.users.register_user import register_user
from infrastructure.composition import open_service
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.queries.read_model import Lists, ReadModel, Selection
from infrastructure.queries.waiting import PLACES, PLACES_OF_ONE, Waiting
from tests.support.running import context, follow_to_head, registered, registration, settings_in

NAME = USER_DIRECTORY.name
LONG = 60.0
EVERYBODY = Selection(sql.SQL(""), {})


@asynccontextmanager
async def waiting_in(conninfo: str) -> AsyncIterator[Waiting]:
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        yield Waiting(pool)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def looked(waiting: Waiting, times: int) -> None:
    """Return when the database has been asked so often."""
    while waiting.looks < times:
        await _turns(1)


async def outcomes(waits: list[Coroutine[Any, Any, None]]) -> list[type[BaseException] | None]:
    found = await asyncio.gather(*waits, return_exceptions=True)
    return [None if error is None else type(error) for error in found]


async def test_two_thousand_who_wait_share_each_look(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home)

    async with waiting_in(history) as waiting:
        waits = [
            asyncio.create_task(waiting.until_reached(NAME, Freshness(position, f"user:{number}"), LONG))
            for number in range(PLACES)
        ]
        await looked(waiting, 3)
        assert not any(wait.done() for wait in waits)
        await asyncio.to_thread(follow_to_head, history)
        looks = waiting.looks
        await asyncio.gather(*waits)

        # One that was under way when the model got there, and the one after it.
        assert waiting.looks <= looks + 2


async def test_nobody_who_waits_holds_a_connection(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home)

    async with waiting_in(history) as waiting:
        wait = asyncio.create_task(waiting.until_reached(NAME, Freshness(position), LONG))
        await looked(waiting, 2)
        async with waiting._pool.connection(timeout=LONG) as only_one:
            await only_one.execute("SELECT 1")
        await asyncio.to_thread(follow_to_head, history)
        await wait


class _Counted(ReadModel[UserEntry]):
    """A read model that counts how often its rows were asked for."""

    asked = 0

    async def _fetch(self, selection: Selection, generation: int, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        self.asked += 1
        return await super()._fetch(selection, generation, columns)


async def test_a_crowd_that_comes_to_wait_asks_for_rows_once_each_when_they_are_there(history: str, home: Path) -> None:
    """Before, each asked once in vain, and others' lists queued behind a thousand such questions."""
    follow_to_head(history)
    position = await registered(history, home)

    async with reading_pool(in_role(history, APP_ROLE), 1) as pool:
        lists = Lists(pool, LONG)
        model = _Counted(lists, USER_DIRECTORY, UserEntry)
        first = asyncio.create_task(model.select(EVERYBODY, Freshness(position, "user:first")))
        await looked(lists.waiting, 2)
        asked = model.asked
        crowd = [
            asyncio.create_task(model.select(EVERYBODY, Freshness(position, f"user:{number}"))) for number in range(99)
        ]
        await looked(lists.waiting, lists.waiting.looks + 2)
        assert model.asked == asked
        await asyncio.to_thread(follow_to_head, history)

        assert {(await answer).position for answer in (first, *crowd)} == {position}
        assert model.asked == asked + 100
        # Nobody waits: nobody has looked lately, and rows are asked for at once.
        await model.select(EVERYBODY, Freshness(position))
        assert model.asked == asked + 101


async def test_a_position_that_was_never_given_out_is_not_waited_for(history: str) -> None:
    follow_to_head(history)

    async with waiting_in(history) as waiting:
        asked = [waiting.until_reached(NAME, Freshness(2**63 - 1, f"user:{number}"), LONG) for number in range(800)]

        assert await outcomes(asked) == [PositionUnknownError] * 800
        assert waiting.looks <= 3


async def test_a_position_that_is_given_out_while_others_are_looked_for_is_not_refused(
    history: str, home: Path
) -> None:
    """An answer that is older than the question says nothing about it."""
    follow_to_head(history)

    async with waiting_in(history) as waiting, open_service(settings_in(home), history) as service:
        known = asyncio.create_task(service.commands.run(register_user, registration("first"), context()))
        others = asyncio.create_task(waiting.until_reached(NAME, Freshness((await known).position), LONG))
        for number in range(50):
            saved = await service.commands.run(register_user, registration(f"other{number}"), context())
            with pytest.raises(PositionNotReachedError):
                await waiting.until_reached(NAME, Freshness(saved.position), 0.03)
        await asyncio.to_thread(follow_to_head, history)
        await others


async def test_places_are_bounded_for_all_and_for_one(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home)

    async with waiting_in(history) as waiting:
        mine = [waiting.until_reached(NAME, Freshness(position, "user:me"), 0.5) for _ in range(PLACES_OF_ONE + 5)]
        yours = [waiting.until_reached(NAME, Freshness(position, "user:you"), 0.5) for _ in range(PLACES_OF_ONE + 5)]
        found = await outcomes([*mine, *yours])

        assert found.count(TooManyWaitingError) == 10
        assert found.count(PositionNotReachedError) == PLACES
        # Places are free again.
        assert await outcomes([waiting.until_reached(NAME, Freshness(1, "user:me"), LONG)]) == [None]


async def test_who_gives_up_leaves_the_place(history: str, home: Path) -> None:
    follow_to_head(history)
    position = await registered(history, home)

    async with waiting_in(history) as waiting:
        for _ in range(3):
            waits = [
                asyncio.create_task(waiting.until_reached(NAME, Freshness(position, "user:me"), LONG))
                for _ in range(PLACES_OF_ONE)
            ]
            await _turns(2)
            for wait in waits:
                wait.cancel()
            assert await outcomes([_awaited(wait) for wait in waits]) == [asyncio.CancelledError] * PLACES_OF_ONE


async def _awaited(wait: "asyncio.Task[None]") -> None:
    await wait


async def test_a_database_that_does_not_answer_is_told_to_all_who_wait(history: str) -> None:
    async with waiting_in(history) as waiting:
        await waiting._pool.close()
        asked = [waiting.until_reached(NAME, Freshness(1), LONG) for _ in range(10)]

        assert len({error for error in await outcomes(asked) if error is not None}) == 1
