"""What a database, a login or the environment say of sessions changes nothing; a session that was ended is replaced."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from infrastructure.embedded_postgres.libpq_environment import forget_environment
from infrastructure.postgres.connections import (
    APP_ROLE,
    as_projector,
    as_sealer,
    in_role,
    is_pinned,
    pinned,
    reading_pool,
)
from infrastructure.postgres.database import DatabaseUnavailableError, embedded_as, reached_as
from infrastructure.postgres.logins import Login
from infrastructure.postgres.schema import check_schema, migrate
from tests.support.cli import CommandLine
from tests.support.cut_line import CuttableLine
from tests.support.running import settings_in

HOSTILE = {
    "array_nulls": ("off", "on"),
    "bytea_output": ("escape", "hex"),
    "client_encoding": ("LATIN1", "UTF8"),
    "datestyle": ("German", "ISO, MDY"),
    "default_transaction_deferrable": ("on", "off"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "extra_float_digits": ("-15", "1"),
    "intervalstyle": ("sql_standard", "postgres"),
    "standard_conforming_strings": ("off", "on"),
    "timezone": ("Asia/Kolkata", "UTC"),
    "transform_null_equals": ("on", "off"),
}
"""Settings of sessions, what somebody made of them, and what this program needs."""
MAKERS: dict[str, Callable[[str], str]] = {
    "owner": pinned,
    "app": lambda conninfo: in_role(conninfo, APP_ROLE),
    "projector": as_projector,
    "sealer": as_sealer,
    "the library's recorders": lambda conninfo: in_role(conninfo, APP_ROLE, search_path=None),
}


@pytest.fixture
def bent(database: str) -> str:
    """A migrated database whose sessions are not what they usually are."""
    with psycopg.connect(database, autocommit=True) as connection:
        for name, (wrong, _) in HOSTILE.items():
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(connection.info.dbname), sql.Identifier(name), wrong
                )
            )
    return database


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_sessions_are_what_this_program_needs(make: Callable[[str], str], bent: str) -> None:
    with psycopg.connect(bent) as connection:
        assert connection.execute("SHOW datestyle").fetchall() == [("German, DMY",)]
    with psycopg.connect(make(bent)) as connection:
        found = {
            name: connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchall() for name in HOSTILE
        }

        assert found == {name: [(right,)] for name, (_, right) in HOSTILE.items()}
        assert is_pinned(connection)


def test_what_the_connection_string_asks_for_changes_nothing_either(database: str) -> None:
    asked = psycopg.conninfo.make_conninfo(
        database, options="-c datestyle=German -c work_mem=5MB", client_encoding="LATIN1"
    )
    with psycopg.connect(pinned(pinned(asked))) as connection:
        assert connection.execute("SELECT 'zoë', date '2026-11-28'::text, current_setting('work_mem')").fetchone() == (
            "zoë",
            "2026-11-28",
            "5MB",
        )
    assert in_role(pinned(asked), APP_ROLE) == in_role(asked, APP_ROLE)


def test_people_are_recorded_sealed_followed_and_found_as_ever(bent: str, tmp_path: Path) -> None:
    people, reprise = tmp_path / "people.jsonl", CommandLine(tmp_path / "home", bent)
    people.write_text('{"email":"zoe@example.com","displayName":"Zoë \\\\ O\'Hara","country":"SE"}\n', encoding="utf-8")

    assert reprise.call("import", str(people)).code == 0
    assert reprise.call("audit", "checkpoint").code == 0
    assert reprise.call("users", "show", "zoe@example.com", "--json").json["user"]["displayName"] == "Zoë \\ O'Hara"
    assert reprise.call("audit", "verify", "--json").json["findings"] == []
    check_schema(pinned(bent))
    assert migrate(pinned(bent)) == []


def test_of_the_environment_only_the_way_to_the_database_counts(
    database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGDATESTYLE": "German", "PGTZ": "Asia/Kolkata", "PGCLIENTENCODING": "LATIN1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGOPTIONS", "-c transform_null_equals=on")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
    url = embedded_as(Login.API, database)

    reached = reached_as(Login.API, settings_in(home, REPRISE_DATABASE_URL=url))

    with psycopg.connect(reached) as connection:
        assert connection.execute("SELECT 'zoë', date '2026-11-28'::text, NULL = NULL").fetchone() == (
            "zoë",
            "2026-11-28",
            None,
        )
    assert os.environ["PGCONNECT_TIMEOUT"] == "9"
    forget_environment(wholly=True)
    assert not [name for name in os.environ if name.startswith("PG")]


def test_whatever_leaves_the_settings_of_sessions_out_is_named(database: str, home: Path) -> None:
    """As a connection pooler may: roles are settings of sessions, too."""
    with CuttableLine(embedded_as(Login.API, database)) as line:
        line.garble("reprise.session=pinned", into="reprise.session=absent")

        with pytest.raises(DatabaseUnavailableError, match="leaves out the settings of a session"):
            reached_as(Login.API, settings_in(home, REPRISE_DATABASE_URL=line.conninfo))


async def test_connections_that_were_ended_while_they_were_idle_are_not_noticed(database: str) -> None:
    size = 5
    async with reading_pool(in_role(database, APP_ROLE), size) as pool:
        for _ in range(3):
            together = asyncio.Barrier(size)

            async def use(together: asyncio.Barrier = together) -> int:
                async with pool.connection() as connection:
                    await together.wait()
                    row = await (await connection.execute("SELECT 1")).fetchone()
                return row[0] if row else 0

            assert await asyncio.gather(*(use() for _ in range(size))) == [1] * size
            await _end_sessions(database)


async def _end_sessions(conninfo: str) -> None:
    """End all other sessions of a database, and wait until they are gone."""
    name = conninfo_to_dict(conninfo)["dbname"]
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity "
            "WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )
