"""Several deployments on one server, each with a database, an owner who is no superuser, and logins of its own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infrastructure.postgres.logins import Login
from infrastructure.postgres.schema import Migration
from tests.support.cli import CommandLine

_LEDGER = """
CREATE SCHEMA schema_migration;
CREATE TABLE schema_migration.applied (
    name text PRIMARY KEY, digest bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
"""


@dataclass(frozen=True)
class Deployment:
    """A database and whoever uses it; all are called after it."""

    name: str
    superuser: str
    home: Path

    def conninfo(self, login: Login) -> str:
        """How one of its logins connects to its database."""
        return make_conninfo(self.superuser, dbname=self.name, user=f"{self.name}_{login}")

    @property
    def reprise(self) -> CommandLine:
        """The command line with its three logins."""
        variables = {
            "REPRISE_DATABASE_URL": self.conninfo(Login.API),
            "REPRISE_WORKER_DATABASE_URL": self.conninfo(Login.WORKER),
            "REPRISE_OWNER_DATABASE_URL": self.conninfo(Login.OWNER),
        }
        return CommandLine(self.home, None, tuple(variables.items()))


@contextmanager
def deployment(superuser: str, name: str, home: Path) -> Iterator[Deployment]:
    """An empty database, its owner, and the logins of its processes, which may nothing yet."""
    made = Deployment(name, superuser, home)
    with psycopg.connect(superuser, autocommit=True) as server:
        owner, api, worker = (sql.Identifier(f"{name}_{login}") for login in (Login.OWNER, Login.API, Login.WORKER))
        server.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(owner))
        server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))
        for login in (api, worker):
            server.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(login))
        try:
            yield made
        finally:
            drop(server, name)


def drop(server: psycopg.Connection, name: str) -> None:
    """Remove the databases and roles that are called after a deployment, and what else is its owner's."""
    like = {"name": f"%{name}%"}
    theirs = "SELECT datname FROM pg_database WHERE datname LIKE %(name)s OR pg_get_userbyid(datdba) LIKE %(name)s"
    for (database,) in server.execute(theirs, like).fetchall():
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
    for (role,) in server.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %(name)s", like).fetchall():
        server.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def migrate_as_before(conninfo: str, known: Iterable[Migration]) -> None:
    """Apply migrations as releases did that knew one set of roles for a whole server."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(_LEDGER)
        for migration in known:
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO schema_migration.applied (name, digest) VALUES (%s, %s)",
                (migration.name, migration.digest),
            )
