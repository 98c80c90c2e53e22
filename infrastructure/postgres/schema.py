"""Brings a database to the schema this version of the program needs."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files

import msgspec
import psycopg

from infrastructure.postgres.roles import Names, named, settle_roles

MIGRATION_LOCK = 0x5265707269736531
"""Key of the advisory lock under which migrations run; spells a word, means nothing."""

# A copy of a database does not take this along, so no migration can do it once and for all: PostgreSQL lets everybody
# make temporary tables, and functions beside them; before version 15, ordinary ones in `public`, too. Only the owner of
# the database can change that; to anybody else it is a warning.
_CLOSE_TO_EVERYBODY = """
DO $$ BEGIN
    IF has_database_privilege('public', current_database(), 'TEMPORARY') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF has_schema_privilege('public', to_regnamespace('public'), 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'this database lets everybody make tables: only its owner can change that';
END $$
"""


# PostgreSQL 15 has no STORAGE clause in CREATE TABLE. The file says the same in another statement now, and keeps its
# digest, so that databases and programs from before and after agree.
_REWORDED = {"0007_audit.sql": bytes.fromhex("dc4284a23c9e3e41e3ad780d5182a8bf3c4092789311b8a50baee8b9e014d915")}
"""Migrations whose words were changed, but not what they do, and the digests that they had before."""


class Migration(msgspec.Struct, frozen=True):
    """One SQL file: its name orders it, its digest tells whether it was edited after it was applied."""

    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file's text, as it was when it was first released."""
        return _REWORDED.get(self.name) or hashlib.sha256(self.sql.encode()).digest()


class MigrationEditedError(Exception):
    """A file was changed after it had been applied; write a new one instead."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Migration {name} was edited after it was applied to this database.")


class EncodingUnusableError(Exception):
    """The database cannot hold everybody's name."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The encoding of this database is {encoding}; it must be UTF8. "
            "Make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


class SchemaIsOutOfDateError(Exception):
    """The database lacks migrations that this program needs."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            f"The database lacks {len(missing)} migration(s), from {missing[0]} on: run `reprise migrate`."
        )


def migrations() -> list[Migration]:
    """The migrations that come with this program, in order."""
    folder = files("infrastructure.migrations")
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda path: path.name)
    return [Migration(path.name, path.read_text(encoding="utf-8")) for path in paths]


def migrate(conninfo: str, known: list[Migration] | None = None) -> list[str]:
    """Apply missing migrations, each in its own transaction; returns their names. Safe to run concurrently.

    Raises `EncodingUnusableError`, and `MigrationEditedError` if an applied file differs from the present one, before
    anything is changed.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise EncodingUnusableError(str(encoding))
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        _create_ledger(connection)
        pending = _pending(connection, migrations() if known is None else known)
        applied = list(_apply(connection, pending, settle_roles(connection)))
        connection.execute(_CLOSE_TO_EVERYBODY)
        return applied


def check_schema(conninfo: str) -> None:
    """Raise `SchemaIsOutOfDateError` if migrations are missing; changes nothing, and needs no rights."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        try:
            row = connection.execute("SELECT to_regclass('schema_migration.applied') IS NOT NULL").fetchone()
            pending = _pending(connection, migrations()) if row and row[0] else migrations()
        except psycopg.errors.InsufficientPrivilege:  # Not everybody could look before migration 0019.
            pending = migrations()
    if pending:
        raise SchemaIsOutOfDateError([migration.name for migration in pending])


def _create_ledger(connection: psycopg.Connection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS schema_migration")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration.applied ("
        "name text PRIMARY KEY, digest bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )


def _pending(connection: psycopg.Connection, known: list[Migration]) -> list[Migration]:
    rows = connection.execute("SELECT name, digest FROM schema_migration.applied").fetchall()
    applied = {name: bytes(digest) for name, digest in rows}
    for migration in known:
        if applied.get(migration.name, migration.digest) != migration.digest:
            raise MigrationEditedError(migration.name)
    return [migration for migration in known if migration.name not in applied]


def _apply(connection: psycopg.Connection, pending: list[Migration], roles: Names) -> Iterator[str]:
    for migration in pending:
        with connection.transaction():
            connection.execute(named(migration.sql, roles).encode())
            connection.execute(
                "INSERT INTO schema_migration.applied (name, digest) VALUES (%s, %s)",
                (migration.name, migration.digest),
            )
        yield migration.name
