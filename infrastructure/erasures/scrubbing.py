"""Has PostgreSQL rewrite the files that contained rows and keys of erased people.

Deleted rows, and rows as they were before a change, lie in a table's pages until something else is written over them;
so do common values in the planner's statistics.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from application.read_models import READ_MODELS
from infrastructure.projections.columns import SCHEMA, table_name

_KEYS = (sql.Identifier("keys", "subject_key"), sql.Identifier("keys", "master_key"))
_STATISTICS = sql.Identifier("pg_catalog", "pg_statistic")
_GENERATIONS = "SELECT name, generation FROM projection.generation WHERE name = ANY (%s) ORDER BY name, generation"

_FUTURE_SEGMENTS = (
    "SELECT FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND name >= pg_walfile_name(pg_current_wal_lsn())"
)

OnTable = Callable[[int, int], None]
"""Called with the number of tables done, and of all."""


def scrub(connection: psycopg.Connection[Any], on_table: OnTable = lambda _, __: None) -> int:
    """Rewrite every table that people are deleted from, and switch to a new WAL file; returns how many tables.

    Locks each table meanwhile. Raises `psycopg.errors.InsufficientPrivilege` unless the login may do all of it, which
    requires a superuser.
    """
    names = [model.name for model in READ_MODELS.values() if model.holds.readable]
    rows = connection.execute(_GENERATIONS, (names,)).fetchall()
    tables = [sql.Identifier(SCHEMA, table_name(name, generation)) for name, generation in rows]
    # Last the statistics, which the tables before have just renewed.
    every = [*tables, *_KEYS, _STATISTICS]
    for done, table in enumerate(every):
        on_table(done, len(every))
        analyze = "" if table is _STATISTICS else ", ANALYZE"
        connection.execute(sql.SQL(f"VACUUM (FULL{analyze}) {{}}").format(table))
    with _without_recycling(connection):
        _begin_new_wal(connection)
    return len(every)


@contextmanager
def _without_recycling(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """WAL segments that are not needed any more are removed, not kept as they are under the name of a future one."""
    row = connection.execute("SHOW wal_recycle").fetchone()
    if row == ("off",):
        yield
        return
    connection.execute("ALTER SYSTEM SET wal_recycle = off")
    connection.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        connection.execute("ALTER SYSTEM RESET wal_recycle")
        connection.execute("SELECT pg_reload_conf()")


def _begin_new_wal(connection: psycopg.Connection[Any]) -> None:
    """Go on past every segment that is there, so that the checkpoint removes them."""
    connection.execute("CHECKPOINT")
    for _ in connection.execute(_FUTURE_SEGMENTS).fetchall():
        connection.execute("SELECT pg_logical_emit_message(false, 'scrub', '')")
        connection.execute("SELECT pg_switch_wal()")
    connection.execute("CHECKPOINT")
