"""Has PostgreSQL rewrite the files that contained rows and keys of erased people.

Deleted rows, and rows as they were before a change, lie in a table's pages until something else is written over them;
so do common values in the planner's statistics.
"""

import time
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

# What was deleted before now is still there for whoever began to look before now: rewriting a table takes it along.
_NOW = "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text"
_WHO_SEES_OLDER = """
SELECT format('process %%s (%%s)', pid, coalesce(nullif(application_name, ''), backend_type)) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND age(backend_xmin) > age(%(now)s::xid)
  AND (datname = current_database() OR datname IS NULL)
UNION ALL
SELECT format('replication slot %%s', slot_name) FROM pg_replication_slots WHERE age(xmin) > age(%(now)s::xid)
UNION ALL
SELECT format('prepared transaction %%s', gid) FROM pg_prepared_xacts
WHERE database = current_database() AND age(transaction) > age(%(now)s::xid)
"""
WAIT_SECONDS = 60.0
"""How long it waits for transactions that began before it."""
_LOOK_SECONDS = 0.1

OnTable = Callable[[int, int], None]
"""Called with the number of tables done, and of all."""


class StillSeenError(Exception):
    """Somebody may still see what was deleted, so that a rewritten table would hold it, too."""

    def __init__(self, who: str) -> None:
        super().__init__(f"Nothing was rewritten: {who} may still see rows from before they were deleted. Try again.")


def scrub(connection: psycopg.Connection[Any], on_table: OnTable = lambda _, __: None) -> int:
    """Rewrite every table that people are deleted from, and switch to a new WAL file; returns how many tables.

    Waits for transactions that began before it, then locks one table after the other. Raises `StillSeenError` if one
    goes on, and `psycopg.errors.InsufficientPrivilege` unless the login may do all of it, which requires a superuser.
    """
    _wait_until_unseen(connection)
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


def _wait_until_unseen(connection: psycopg.Connection[Any]) -> None:
    (now,) = connection.execute(_NOW).fetchall()[0]
    deadline = time.monotonic() + WAIT_SECONDS
    while found := connection.execute(_WHO_SEES_OLDER, {"now": now}).fetchone():
        if time.monotonic() > deadline:
            raise StillSeenError(found[0])
        time.sleep(_LOOK_SECONDS)


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
