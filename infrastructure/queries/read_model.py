"""Reads the live generation of a read model, together with the position it reflects.

Rows and checkpoint come from one statement, hence from one snapshot, so the position is exactly that of the rows. The
same statement says which generation is live, so that a switch to a new one is noticed without a view or a lock.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Generic, LiteralString, TypeVar

import msgspec
import psycopg
from psycopg import sql
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg_pool import AsyncConnectionPool

from application.projections.definition import Projection
from application.queries import (
    AS_IT_IS,
    Freshness,
    PositionNotReachedError,
    PositionUnknownError,
    TooManyWaitingError,
)
from infrastructure.projections.columns import SCHEMA, table_name
from infrastructure.projections.tallies import tally_name
from infrastructure.queries.waiting import Waiting

Row = TypeVar("Row", bound=msgspec.Struct)
Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

# Some streams may be folded further than others. A list of facts ends where all are, or who goes on from its last fact
# would miss earlier ones of streams that are behind.
_FACTS: LiteralString = '(SELECT * FROM {table} f WHERE f.{key} <= g."position")'

FIRST_TRIES = 3
"""Tries that wait for nothing, so that the live generation can be found out about."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.25
"""Between further tries; each time twice as long."""


class Selection(msgspec.Struct, frozen=True):
    """The end of a SELECT on a model: conditions, order and limit, with their parameters."""

    clauses: sql.Composable
    parameters: dict[str, Any]
    also: sql.Composable = sql.SQL("")
    """More columns, each with a comma before it."""
    joined: sql.Composable = sql.SQL("")
    source: LiteralString | None = None
    """What is selected from, if it is not the rows: a query in brackets on their `{table}` or its `{tally}`."""


class Selected(msgspec.Struct, Generic[Row], frozen=True):
    """Rows, whatever else was selected with each, and the position they reflect."""

    rows: Sequence[tuple[Row, tuple[Any, ...]]]
    position: int


class Lists:
    """What the queries of a process share: connections, and the requests that wait for a position."""

    def __init__(self, pool: Pool, wait_seconds: float) -> None:
        self.pool = pool
        self.waiting = Waiting(pool)
        self.wait_seconds = wait_seconds
        """How long a query waits for a model."""


class ReadModel(Generic[Row]):
    """Queries on one read model."""

    def __init__(self, lists: Lists, projection: Projection[Any], row: type[Row]) -> None:
        """Rows of the model, or of another form, if the source of each selection is of that form."""
        self._lists = lists
        self._pool = lists.pool
        self._projection = projection
        self._source: LiteralString = _FACTS if projection.appends else "{table}"
        self._kind = row
        self._generation = 0
        self._fields = {field.name: field for field in msgspec.structs.fields(self._kind)}
        self._columns = self._kind.__struct_fields__
        """Those that the known generation has: during a deployment it may be one of another version."""
        self._stood_at: int | None = None
        """Where the rows stood when somebody waited in vain, and still stood in the end."""

    async def select(self, selection: Selection, freshness: Freshness = AS_IT_IS) -> Selected[Row]:
        """Rows that reflect the log at least up to a position; waits for that, for a bounded time.

        Raises `PositionNotReachedError`, `PositionUnknownError` and `TooManyWaitingError`; with best effort, only if
        there are no rows at all.
        """
        if not freshness.best_effort:
            return await self._select_fresh(selection, freshness)
        selected = await self._try_select(selection)
        if selected is not None and (selected.position >= freshness.position or selected.position == self._stood_at):
            return selected
        try:
            return await self._select_fresh(selection, freshness)
        except (PositionNotReachedError, PositionUnknownError, TooManyWaitingError) as error:
            return await self._select_stale(selection, selected, error)

    async def _select_stale(
        self, selection: Selection, before: Selected[Row] | None, error: Exception
    ) -> Selected[Row]:
        """Rows as they are after a wait in vain. If they have not moved meanwhile, nobody waits until they do."""
        selected = await self._try_select(selection)
        if selected is None:
            raise error
        has_stood = before is not None and before.position == selected.position
        self._stood_at = selected.position if has_stood and isinstance(error, PositionNotReachedError) else None
        return selected

    async def _select_fresh(self, selection: Selection, freshness: Freshness) -> Selected[Row]:
        now = asyncio.get_running_loop().time
        waiting, model = self._lists.waiting, self._projection.name
        deadline = now() + self._lists.wait_seconds
        tries, pause = 0, PAUSE_SECONDS
        if waiting.is_behind(model, freshness.position):
            # A crowd that waits asks for its rows once each, when they are there.
            await waiting.until_reached(model, freshness, deadline - now())
        while True:
            selected = await self._try_select(selection)
            if selected is not None and selected.position >= freshness.position:
                return selected
            tries += 1
            if selected is None and tries < FIRST_TRIES:
                continue
            await waiting.until_reached(model, freshness, deadline - now())
            if selected is None:
                # It is there, but not in a form that this program can read.
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _try_select(self, selection: Selection) -> Selected[Row] | None:
        """None if another generation has become the live one, which then is known for the next try."""
        # Other queries may learn of a newer generation while this one waits for its rows.
        asked, columns = self._generation, self._columns
        try:
            found = await self._fetch(selection, asked, columns)
        except UndefinedTable:
            found = []
        except UndefinedColumn:
            # A condition on a column that the old rows lack says nothing of which generation is live by now.
            live = await self._live_generation()
            if live == asked:
                await self._learn_columns(asked)
            else:
                self._turn_to(live)
            return None
        if not found or found[0][0] != asked:
            self._turn_to(found[0][0] if found else await self._live_generation())
            return None
        width = len(columns)
        rows = [(self._row(columns, row[3 : 3 + width]), row[3 + width :]) for row in found if row[2] is not None]
        return Selected(rows, found[0][1])

    def _turn_to(self, generation: int) -> None:
        self._generation = generation
        self._columns = tuple(self._fields)

    async def _fetch(self, selection: Selection, generation: int, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        statement = sql.SQL(
            'SELECT g.generation, g."position", r.* FROM projection.standing g '
            "LEFT JOIN LATERAL (SELECT true AS is_row, {columns}{also} FROM {source} m {joined} {clauses}) r ON true "
            "WHERE g.name = {name} AND g.state = 'live'"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier("m", column) for column in columns),
            also=selection.also,
            source=sql.SQL(selection.source or self._source).format(
                key=sql.Identifier(self._projection.key_column),
                table=sql.Identifier(SCHEMA, table_name(self._projection.name, generation)),
                tally=sql.Identifier(SCHEMA, tally_name(self._projection.name, generation)),
            ),
            joined=selection.joined,
            clauses=selection.clauses,
            name=sql.Literal(self._projection.name),
        )
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(statement, selection.parameters)
            return await cursor.fetchall()

    async def _learn_columns(self, generation: int) -> None:
        """Make do with the columns there are, if the missing ones have defaults; else wait for the new version."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
                (f"{SCHEMA}.{table_name(self._projection.name, generation)}",),
            )
            there = {name for (name,) in await cursor.fetchall()}
        columns = tuple(name for name in self._fields if name in there)
        if columns == self._columns or any(self._fields[name].required for name in self._fields.keys() - there):
            return
        if self._generation == generation:
            self._columns = columns

    async def _live_generation(self) -> int:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT generation FROM projection.generation WHERE name = %s AND state = 'live'",
                (self._projection.name,),
            )
            row = await cursor.fetchone()
        return row[0] if row else 0

    def _row(self, columns: Sequence[str], values: Sequence[Any]) -> Row:
        return self._kind(**dict(zip(columns, values, strict=True)))
