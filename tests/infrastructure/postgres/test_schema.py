"""Migrations: applied once, in order, each whole or not at all, and never edited afterwards."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, LiteralString

import psycopg
import pytest

from infrastructure.postgres.schema import (
    Migration,
    MigrationEditedError,
    SchemaIsOutOfDateError,
    check_schema,
    migrate,
    migrations,
)
from tests.support.waiting import eventually

FIRST = Migration("0001_first.sql", "CREATE TABLE note (text text NOT NULL);")
SECOND = Migration("0002_second.sql", "INSERT INTO note VALUES ('second');")
THIRD = Migration("0003_third.sql", "INSERT INTO note SELECT 'after ' || text FROM note;")
BROKEN = Migration("0003_broken.sql", "INSERT INTO note VALUES ('broken'); SELECT 1 / 0;")


@pytest.fixture
def connection(empty_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        yield connection


def column(connection: psycopg.Connection[Any], statement: LiteralString) -> list[Any]:
    return [value for (value,) in connection.execute(statement)]


def notes(connection: psycopg.Connection[Any]) -> list[str]:
    return sorted(column(connection, "SELECT text FROM note"))


def applied(connection: psycopg.Connection[Any]) -> list[str]:
    return column(connection, "SELECT name FROM schema_migration.applied ORDER BY name")


def test_what_is_missing_is_applied_in_order(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    assert migrate(empty_database, [FIRST, SECOND, THIRD]) == [FIRST.name, SECOND.name, THIRD.name]

    assert notes(connection) == ["after second", "second"]
    assert applied(connection) == [FIRST.name, SECOND.name, THIRD.name]


def test_what_was_applied_is_not_applied_again(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    migrate(empty_database, [FIRST, SECOND])

    assert migrate(empty_database, [FIRST, SECOND]) == []

    assert notes(connection) == ["second"]


def test_only_what_is_new_is_applied(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    migrate(empty_database, [FIRST, SECOND])

    assert migrate(empty_database, [FIRST, SECOND, THIRD]) == [THIRD.name]

    assert notes(connection) == ["after second", "second"]


def test_many_runners_at_once_apply_everything_once(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    with ThreadPoolExecutor(12) as runners:
        done = list(runners.map(lambda _: migrate(empty_database, [FIRST, SECOND, THIRD]), range(12)))

    assert sorted(name for names in done for name in names) == [FIRST.name, SECOND.name, THIRD.name]
    assert notes(connection) == ["after second", "second"]


def test_a_runner_waits_for_the_one_that_came_first(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    migrate(empty_database, [FIRST])
    with ThreadPoolExecutor(2) as runners, psycopg.connect(empty_database) as reader:
        reader.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        first = runners.submit(migrate, empty_database, [FIRST, SECOND])
        eventually(lambda: waiting_for(connection, "relation"), "the first runner waits for the table")
        other = runners.submit(migrate, empty_database, [FIRST, SECOND])
        eventually(lambda: waiting_for(connection, "advisory"), "the other runner waits for the first")
        reader.rollback()

    assert (first.result(), other.result()) == ([SECOND.name], [])
    assert notes(connection) == ["second"]


def waiting_for(connection: psycopg.Connection[Any], kind: str) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND locktype = %s AND datname = current_database()",
        (kind,),
    ).fetchone()
    return row is not None and row[0] > 0


def test_an_edited_file_is_refused_before_anything_changes(
    empty_database: str, connection: psycopg.Connection[Any]
) -> None:
    migrate(empty_database, [FIRST, SECOND])
    edited = Migration(FIRST.name, f"{FIRST.sql} -- harmless")

    for known in ([edited, SECOND, THIRD], [Migration("0000_zeroth.sql", "DROP TABLE note"), edited, THIRD]):
        with pytest.raises(MigrationEditedError, match=f"^Migration {FIRST.name} was edited after it was applied"):
            migrate(empty_database, known)

    assert notes(connection) == ["second"]
    assert applied(connection) == [FIRST.name, SECOND.name]


def test_a_file_that_was_edited_last_is_refused_before_an_earlier_new_one_is_applied(
    empty_database: str, connection: psycopg.Connection[Any]
) -> None:
    migrate(empty_database, [FIRST, THIRD])

    with pytest.raises(MigrationEditedError, match=THIRD.name):
        migrate(empty_database, [FIRST, SECOND, Migration(THIRD.name, "SELECT 1")])

    assert notes(connection) == []


def test_a_file_that_fails_leaves_nothing_of_itself(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database, [FIRST, SECOND, BROKEN])

    assert notes(connection) == ["second"]
    assert applied(connection) == [FIRST.name, SECOND.name]


def test_after_a_failure_the_next_runner_goes_on_from_there(
    empty_database: str, connection: psycopg.Connection[Any]
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database, [FIRST, BROKEN])

    assert migrate(empty_database, [FIRST, SECOND, THIRD]) == [SECOND.name, THIRD.name]

    assert notes(connection) == ["after second", "second"]


def test_what_a_newer_program_applied_does_not_disturb(
    empty_database: str, connection: psycopg.Connection[Any]
) -> None:
    migrate(empty_database, [FIRST, SECOND])

    assert migrate(empty_database, [FIRST]) == []


def test_a_percent_sign_is_nothing_special(empty_database: str, connection: psycopg.Connection[Any]) -> None:
    migrate(empty_database, [FIRST, Migration("0002_percent.sql", "INSERT INTO note VALUES ('100 %s 7 % 3');")])

    assert notes(connection) == ["100 %s 7 % 3"]


def test_the_program_s_own_migrations_are_in_order_and_named_alike() -> None:
    names = [migration.name for migration in migrations()]

    assert [int(name.split("_")[0]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names)


def test_many_processes_that_start_at_once_bring_a_database_up_to_date(empty_database: str) -> None:
    with ThreadPoolExecutor(6) as runners:
        done = list(runners.map(lambda _: migrate(empty_database), range(6)))

    assert sorted(name for names in done for name in names) == [migration.name for migration in migrations()]
    check_schema(empty_database)


def test_an_empty_database_is_out_of_date_and_stays_empty(
    empty_database: str, connection: psycopg.Connection[Any]
) -> None:
    with pytest.raises(SchemaIsOutOfDateError, match=rf"lacks {len(migrations())} migration.+0001_log\.sql"):
        check_schema(empty_database)

    assert column(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = 'schema_migration'") == [0]


def test_a_database_that_lacks_the_last_migration_is_out_of_date(database: str) -> None:
    last = migrations()[-1].name
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM schema_migration.applied WHERE name = %s", (last,))

    with pytest.raises(
        SchemaIsOutOfDateError, match=rf"lacks 1 migration\(s\), from {re.escape(last)} on: run `reprise migrate`"
    ):
        check_schema(database)


def test_a_database_with_an_edited_migration_is_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE schema_migration.applied SET digest = '\\x00' WHERE name = '0001_log.sql'")

    with pytest.raises(MigrationEditedError, match=r"0001_log\.sql"):
        check_schema(database)


REWORDED = {"0007_audit.sql": "146bab9e6e770c96e5c52d9bc5e44971ac41c8324edfda0225f6d32e69b9c04a"}


def test_a_migration_that_was_reworded_is_not_edited_again() -> None:
    """It keeps the digest that it had, so nothing else would notice."""
    present = {migration.name: migration for migration in migrations()}

    assert {name: sha256(present[name].sql.encode()).hexdigest() for name in REWORDED} == REWORDED
    assert all(present[name].digest.hex() != digest for name, digest in REWORDED.items())


def test_a_database_that_is_up_to_date_passes_and_may_be_ahead(database: str) -> None:
    check_schema(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration.applied (name, digest) VALUES ('9999_later.sql', '\\x00')")

    check_schema(database)
