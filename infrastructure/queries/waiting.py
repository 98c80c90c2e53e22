"""Waits until read models have reached a position: one look serves all waiting requests.

Nobody holds a connection while waiting. The looks have a connection of the pool that lists use, one at a time, so that
commands never queue behind them (docs/decisions/0026-waiting.md).
"""

import asyncio
from collections import Counter
from typing import Any, NamedTuple

import psycopg
from psycopg_pool import AsyncConnectionPool

from application.queries import (
    Freshness,
    PositionNotReachedError,
    PositionUnknownError,
    TooManyWaitingError,
)

LOOK_SECONDS = 0.01
"""Between two looks; it is what a query waits longer than it need."""
PLACES = 2_000
"""Queries that may wait in one process at a time: a second's worth of lists."""
PLACES_OF_ONE = 1_000
"""How many of them may be of one reader."""

_LOOK = """
SELECT h."position", s.name, s."position"
FROM log.tip h LEFT JOIN projection.standing s ON s.state = 'live'
"""


class _Place(NamedTuple):
    """One query that waits."""

    model: str
    position: int
    arrival: "asyncio.Future[None]"


class Waiting:
    """The queries of one process that wait."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool
        self._places: set[_Place] = set()
        self._readers = Counter[str]()
        self._looking: asyncio.Task[None] | None = None
        self._standings: dict[str, int] = {}
        """How far each model had come at the last look; empty while nobody waits."""
        self.looks = 0
        """How often the database was asked."""

    def is_behind(self, model: str, position: int) -> bool:
        """Whether the last look found a model behind a position, so that asking for its rows would be in vain.

        False while nobody waits: then nobody looks. The next look comes within `LOOK_SECONDS`.
        """
        return self._standings.get(model, position) < position

    async def until_reached(self, model: str, freshness: Freshness, seconds: float) -> None:
        """Return when the live generation of a model reflects a position.

        Raises `PositionNotReachedError` if it does not in time, `PositionUnknownError` for a position that the log
        never gave out, and `TooManyWaitingError`.
        """
        loop = asyncio.get_running_loop()
        reader = freshness.reader or ""
        if len(self._places) >= PLACES or (reader and self._readers[reader] >= PLACES_OF_ONE):
            raise TooManyWaitingError
        place = _Place(model, freshness.position, loop.create_future())
        self._places.add(place)
        self._readers[reader] += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_for_all(), name="waiting")
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await place.arrival
        except TimeoutError:
            raise PositionNotReachedError from None
        finally:
            self._leave(place, reader)

    def _leave(self, place: _Place, reader: str) -> None:
        self._places.discard(place)
        self._readers[reader] -= 1
        if not self._readers[reader]:
            del self._readers[reader]

    async def _look_for_all(self) -> None:
        """Look again and again, as long as anybody waits."""
        while self._places:
            # Who comes while the database answers is looked for the next time: the answer may be older than they are.
            present = list(self._places)
            try:
                head, standings = await self._look()
            except (psycopg.Error, OSError) as error:
                self._standings = {}
                for place in present:
                    _settle(place, error)
            else:
                self._standings = standings
                for place in present:
                    if standings.get(place.model, -1) >= place.position:
                        _settle(place, None)
                    elif place.position > head:
                        _settle(place, PositionUnknownError())
            await asyncio.sleep(LOOK_SECONDS)
        self._standings = {}

    async def _look(self) -> tuple[int, dict[str, int]]:
        """The last position that was given out, and how far each model has come."""
        self.looks += 1
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_LOOK, prepare=True)).fetchall()
        return rows[0][0], {name: position for _, name, position in rows if name is not None}


def _settle(place: _Place, error: Exception | None) -> None:
    if place.arrival.done():
        return
    if error is None:
        place.arrival.set_result(None)
    else:
        place.arrival.set_exception(error)
