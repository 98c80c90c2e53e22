"""Creates and drops tables of read models, through functions of the schema's owner, who owns the tables.

A projector that owned them could make their readers run its code (docs/decisions/0025-database-logins.md).
"""

from collections.abc import Sequence

import msgspec

from infrastructure.log.reader import Connection
from infrastructure.projections.columns import column_type

_NOT_NULL = " NOT NULL"


def create_table(connection: Connection, table: str, row: type[msgspec.Struct], fillfactor: int = 100) -> None:
    """An empty table with a column for each field of a row. `fillfactor` is in percent."""
    fields = msgspec.structs.fields(row)
    types = [column_type(field.type) for field in fields]
    connection.execute(
        "SELECT projection.create_table(%s, %s, %s, %s, %s::integer)",
        (
            table,
            [field.name for field in fields],
            [name.removesuffix(_NOT_NULL) for name in types],
            [name.endswith(_NOT_NULL) for name in types],
            fillfactor,
        ),
    )


def add_primary_key(connection: Connection, table: str, columns: Sequence[str]) -> None:
    """Columns that no two rows have alike."""
    connection.execute("SELECT projection.add_primary_key(%s, %s)", (table, list(columns)))


def create_index(connection: Connection, name: str, table: str, method: str, columns: Sequence[str]) -> None:
    """A way to find rows: btree, gin for what is in a list (members, if few rows have one), word, words for a text."""
    connection.execute("SELECT projection.create_index(%s, %s, %s, %s)", (name, table, method, list(columns)))


def analyze_table(connection: Connection, table: str) -> None:
    """Gather the statistics that the planner needs."""
    connection.execute("SELECT projection.analyze_table(%s)", (table,))


def drop_table(connection: Connection, table: str) -> None:
    """Throw a table away, if there is one."""
    connection.execute("SELECT projection.drop_table(%s)", (table,))
