"""While somebody looks at the log as it was long ago, nobody else notices."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest

from infrastructure.log.reader import read_head
from infrastructure.postgres.connections import APP_ROLE, in_role
from tests.support.audited import append_event

APPENDS = 8_000
"""Enough versions of a row for more than fifty pages."""
PAGES = 25
"""More than trees of indexes grow by that many events."""
_STATE = b'{"email":"m@example.com","display_name":"M","country":"SE"}'
_APPEND: LiteralString = """
SELECT * FROM log.append(ARRAY[gen_random_uuid()], ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY[''::bytea],
           ARRAY[NULL::uuid], ARRAY[NULL::uuid], ARRAY[NULL::bytea], ARRAY['admin:ann'], ARRAY[NULL::text],
           ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[1], ARRAY[gen_random_uuid()], ARRAY[%s],
           ARRAY['user.registered'], ARRAY[''::bytea])
"""
APPEND = _APPEND % 1
APPEND_EACH = APPEND.replace("log.append", "log.append_each")
APPEND_REFUSED = _APPEND % 7
LOOK: LiteralString = 'SELECT "position" FROM log.tip'


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def pages_read(connection: psycopg.Connection[Any], statement: str) -> int:
    """How many pages a statement reads, with all that the functions in it read."""
    connection.execute(statement.encode())  # What is looked up in the catalog is known from here on.
    row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode()).fetchone()
    assert row
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def append_many(connection: psycopg.Connection[Any]) -> None:
    perform = APPEND.replace("SELECT", "PERFORM")
    connection.execute(f"DO $$ BEGIN FOR i IN 1..{APPENDS} LOOP {perform}; COMMIT; END LOOP; END $$".encode())


@pytest.mark.parametrize("statement", [APPEND, APPEND_EACH, APPEND_REFUSED, LOOK])
def test_no_more_is_read_than_without(statement: str, owner: psycopg.Connection[Any], database: str) -> None:
    before = pages_read(owner, statement)
    with psycopg.connect(database) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        head = read_head(old).position
        append_many(owner)
        owner.execute("VACUUM log.head")  # As autovacuum does; it removes nothing.

        assert pages_read(owner, statement) < before + PAGES
        assert read_head(old).position == head
    owner.execute("VACUUM log.head")
    assert pages_read(owner, statement) < before + PAGES
    assert read_head(owner).position >= APPENDS


def test_versions_are_removed_without_vacuum_as_long_as_nobody_sees_them(owner: psycopg.Connection[Any]) -> None:
    owner.execute("ALTER TABLE log.head SET (autovacuum_enabled = off)")

    append_many(owner)

    assert owner.execute("SELECT pg_relation_size('log.head') <= 2 * 8192").fetchone() == (True,)


def test_writers_that_wait_for_each_other_find_the_newest_version(database: str) -> None:
    """Across blocks, with an old snapshot, so that there is always an older version to be taken for it."""
    writers, each = 8, 120

    def write() -> None:
        with psycopg.connect(in_role(database, APP_ROLE), autocommit=True) as connection:
            for _ in range(each):
                append_event(connection, uuid4(), 1, "user.registered", _STATE)

    with psycopg.connect(database) as old, ThreadPoolExecutor(writers) as pool:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        read_head(old)
        for writer in [pool.submit(write) for _ in range(writers)]:
            writer.result()

    with psycopg.connect(database) as owner:
        found = owner.execute(
            'SELECT h."position", h.block, t."position", (SELECT count(*) FROM log.event), (SELECT max(e."position") '
            "FROM log.event e) FROM log.head h, log.tip t"
        ).fetchall()
    written = writers * each
    assert found == [(written, written // 256, written, written, written)]
