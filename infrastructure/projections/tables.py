"""The table of one generation of a read model, made from the row type of its definition."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

import msgspec
from psycopg import sql

from application.projections.definition import Index, MembersIndex, Projection, WordIndex, WordsIndex
from infrastructure.log.reader import Connection
from infrastructure.postgres.binary_arrays import binary_array
from infrastructure.projections.columns import SCHEMA, element_types, table_name
from infrastructure.projections.making_tables import (
    add_primary_key,
    analyze_table,
    create_index,
    create_table,
    drop_table,
)
from infrastructure.projections.tallies import TallyTable

Row = TypeVar("Row", bound=msgspec.Struct)
_WORD_METHODS: dict[type[Index], str] = {MembersIndex: "members", WordIndex: "word", WordsIndex: "words"}


class ModelTable(Generic[Row]):
    """Makes, fills and changes the table of one generation; every statement is part of the caller's transaction."""

    def __init__(self, projection: Projection[Row], generation: int) -> None:
        self.projection = projection
        self.generation = generation
        self.columns = projection.row.__struct_fields__
        self._table = table_name(projection.name, generation)
        self.name = sql.Identifier(SCHEMA, self._table)
        self.tally = TallyTable(projection.tally, projection.name, generation) if projection.tally else None

    def create(self, connection: Connection) -> None:
        """An empty table without any index: that is how it is filled fastest."""
        # Rows change often: room on the page lets PostgreSQL change them without touching the indexes.
        create_table(connection, self._table, self.projection.row, fillfactor=100 if self.projection.appends else 80)
        if self.tally:
            self.tally.create(connection)

    def create_indexes(self, connection: Connection) -> None:
        """The key and the indexes of the definition, and the statistics that make the planner use them."""
        add_primary_key(connection, self._table, [self.projection.key_column])
        for index in self.projection.indexes:
            create_index(connection, f"{self._table}_{index.name}", self._table, self._method(index), index.columns)
        analyze_table(connection, self._table)

    def _method(self, index: Index) -> str:
        if type(index) in _WORD_METHODS:
            return _WORD_METHODS[type(index)]
        return "gin" if self._types[self.columns.index(index.columns[0])].endswith("[]") else "btree"

    def is_indexed(self, connection: Connection) -> bool:
        """Whether it has been filled, because it has its indexes."""
        return bool(
            connection.execute(
                "SELECT FROM pg_index WHERE indrelid = %s::regclass AND indisprimary",
                (self.name.as_string(connection),),
            ).rowcount
        )

    def drop(self, connection: Connection) -> None:
        """Throw the generation away."""
        drop_table(connection, self._table)
        if self.tally:
            self.tally.drop(connection)

    def load(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, Row]:
        """The rows that exist for these keys."""
        cursor = connection.cursor(binary=True)
        cursor.execute(self._load, (binary_array(self._types[0], keys),), prepare=True)
        key = self.columns.index(self.projection.key_column)
        return {values[key]: self._row(values) for values in cursor}

    def load_range(self, connection: Connection, after: Any | None, upto: Any | None) -> dict[Any, Row]:
        """The rows with keys in (after, upto]; None for no bound."""
        conditions = [
            sql.SQL(condition).format(self._key)
            for condition, bound in (("{} > %s", after), ("{} <= %s", upto))
            if bound is not None
        ]
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            self.name,
            sql.SQL(" AND ").join([sql.SQL("true"), *conditions]),
        )
        cursor = connection.cursor(binary=True)
        cursor.execute(query, [bound for bound in (after, upto) if bound is not None])
        key = self.columns.index(self.projection.key_column)
        return {values[key]: self._row(values) for values in cursor}

    def key_bounds(self, connection: Connection) -> tuple[Any, Any] | None:
        """The first and the last key; None if there are no rows."""
        query = sql.SQL(
            "SELECT (SELECT {0} FROM {1} ORDER BY {0} LIMIT 1), (SELECT {0} FROM {1} ORDER BY {0} DESC LIMIT 1)"
        ).format(self._key, self.name)
        row = connection.execute(query).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def next_keys(self, connection: Connection, keys: Sequence[Any]) -> set[Any]:
        """For each of these the next key that there is, itself included."""
        query = sql.SQL(
            "SELECT DISTINCT n.key FROM unnest(%s::{2}[]) AS k (key) CROSS JOIN LATERAL "
            "(SELECT m.{0} AS key FROM {1} m WHERE m.{0} >= k.key ORDER BY m.{0} LIMIT 1) n"
        ).format(self._key, self.name, sql.SQL(self._types[0]))
        return {key for (key,) in connection.execute(query, (list(keys),))}

    def all(self, connection: Connection) -> Iterator[Row]:
        """Every row, a few thousand in memory at a time; in a transaction of the caller's."""
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(map(sql.Identifier, self.columns)), self.name)
        with connection.cursor("all_rows", binary=True) as cursor:
            cursor.itersize = 5_000
            cursor.execute(query)
            yield from map(self._row, cursor)

    def copy(self, connection: Connection, rows: Iterable[Row]) -> int:
        """Add rows whose keys are not there yet; returns how many."""
        count = 0
        with connection.cursor().copy(self._copy) as copy:
            copy.set_types(self._types)
            for row in rows:
                copy.write_row(msgspec.structs.astuple(row))
                count += 1
        return count

    def put(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Write rows, replacing those that have the same keys."""
        if rows:
            columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
            arrays = (
                binary_array("text", _flat(column)) if name.endswith("[]") else binary_array(name, column)
                for name, column in zip(self._types, columns, strict=True)
            )
            connection.execute(self._put, list(arrays), prepare=True)

    def remove(self, connection: Connection, keys: Sequence[Any]) -> None:
        """Take rows away."""
        if keys:
            connection.execute(self._remove, (binary_array(self._types[0], keys),), prepare=True)

    def _row(self, values: Sequence[Any]) -> Row:
        return self.projection.row(**dict(zip(self.columns, values, strict=True)))

    @cached_property
    def _types(self) -> list[str]:
        return element_types(self.projection.row)

    @cached_property
    def _load(self) -> bytes:
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        return sql.SQL("SELECT {} FROM {} WHERE {} = ANY (%s)").format(columns, self.name, self._key).as_bytes()

    @cached_property
    def _copy(self) -> bytes:
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(self.name, columns).as_bytes()

    @cached_property
    def _put(self) -> bytes:
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        changes = sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
            for column in self.columns
            if column != self.projection.key_column
        )
        # An array of arrays would be taken apart altogether.
        types = [sql.SQL("text" if name.endswith("[]") else name) for name in self._types]
        arrays = sql.SQL(", ").join(sql.SQL("%s::{}[]").format(name) for name in types)
        values = sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Identifier(column), sql.SQL(name))
            for column, name in zip(self.columns, self._types, strict=True)
        )
        statement = sql.SQL(
            "INSERT INTO {0} ({1}) SELECT {2} FROM unnest({3}) AS put ({1}) ON CONFLICT ({4}) DO UPDATE SET {5}"
        )
        return statement.format(self.name, columns, values, arrays, self._key, changes).as_bytes()

    @cached_property
    def _remove(self) -> bytes:
        return sql.SQL("DELETE FROM {} WHERE {} = ANY (%s)").format(self.name, self._key).as_bytes()

    @property
    def _key(self) -> sql.Identifier:
        return sql.Identifier(self.projection.key_column)


def _flat(lists: Sequence[Sequence[Any] | None]) -> list[str | None]:
    return [None if values is None else f"{{{','.join(map(str, values))}}}" for values in lists]


@lru_cache(maxsize=64)
def model_table(projection: Projection[Row], generation: int) -> ModelTable[Row]:
    """The table of a generation: one object for all of its batches, which keeps its prepared statements."""
    return ModelTable(projection, generation)
