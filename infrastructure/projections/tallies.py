"""The counts that a generation of a read model keeps beside its rows: always the sums of what its rows add.

They are changed by differences, in the transaction that changes the rows: so whatever befalls the rows, whether they
are followed, rebuilt in parts or repaired, befalls them, too.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from psycopg import sql

from application.projections.definition import Tally
from infrastructure.log.reader import Connection
from infrastructure.postgres.binary_arrays import binary_array
from infrastructure.projections.columns import SCHEMA, element_types, table_name
from infrastructure.projections.making_tables import add_primary_key, create_table, drop_table


class TallyTable:
    """The table of one generation's counts; every statement is part of the caller's transaction."""

    def __init__(self, tally: Tally[Any], name: str, generation: int) -> None:
        self.tally = tally
        self.columns = tally.row.__struct_fields__
        self._table = tally_name(name, generation)
        self.name = sql.Identifier(SCHEMA, self._table)
        self._types = element_types(tally.row)

    def create(self, connection: Connection) -> None:
        """An empty table; there are few counts, so it has its key from the start."""
        create_table(connection, self._table, self.tally.row)
        add_primary_key(connection, self._table, self.columns[:-1])

    def drop(self, connection: Connection) -> None:
        """Throw it away."""
        drop_table(connection, self._table)

    def move(self, connection: Connection, before: Iterable[Any], after: Iterable[Any]) -> None:
        """Take off what rows have added, and add what those add that take their place."""
        change = self.tally.sum(after)
        change.subtract(self.tally.sum(before))
        # In one order, so that workers who change the same counts wait for each other in a line and not in a circle.
        counts = sorted((*key, count) for key, count in change.items() if count)
        if counts:
            columns = zip(*counts, strict=True)
            connection.execute(self._add, list(map(binary_array, self._types, columns)), prepare=True)

    def load(self, connection: Connection) -> dict[tuple[Any, ...], Any]:
        """All counts that are not 0, by their keys."""
        cursor = connection.cursor(binary=True)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(self._names), self.name))
        return self.tally.counts({tuple(key): count for *key, count in cursor})

    @property
    def _names(self) -> list[sql.Identifier]:
        return [sql.Identifier(column) for column in self.columns]

    @cached_property
    def _add(self) -> bytes:
        arrays = sql.SQL(", ").join(sql.SQL(f"%s::{kind}[]") for kind in self._types)
        *key, count = self._names
        statement = sql.SQL(
            "INSERT INTO {table} AS t SELECT * FROM unnest({arrays}) "
            "ON CONFLICT ({key}) DO UPDATE SET {count} = t.{count} + excluded.{count}"
        ).format(table=self.name, arrays=arrays, key=sql.SQL(", ").join(key), count=count)
        return statement.as_bytes()


def tally_name(name: str, generation: int) -> str:
    """The table of the counts of one generation of a model."""
    return f"{table_name(name, generation)}_tally"
