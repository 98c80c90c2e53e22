"""The roles that rights in a database are given to: its own, because names of roles belong to the whole server.

They are chosen when the database is first migrated, recorded in it, and looked up there at every start, so that neither
its name nor what else is on the server matters later (docs/decisions/0038-roles-of-a-database.md).
"""

import re
import time
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier

from infrastructure.postgres.unavailability import is_unavailable

APP_ROLE = "reprise_app"
PROJECTOR_ROLE = "reprise_projector"
SEALER_ROLE = "reprise_sealer"
PLAIN = (APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE)
"""What the roles are called in the program and its migrations, and in the first database of a server."""

Names = Mapping[str, str]
"""The roles of a database by their plain names."""

_PATIENCE_SECONDS, _RETRY_SECONDS = 5.0, 0.05
_PREFIX = "reprise_"
_LENGTH_OF_SUFFIX = 40
_MAKERS_ARE_ADMINS = 16_00_00
"""From this version of PostgreSQL on, whoever makes a role may give it to others."""
_IN_SQL = re.compile(rf"\b({'|'.join(PLAIN)})\b")
_CREATE_RECORD = """
CREATE TABLE schema_migration.role (
    purpose text COLLATE "C" PRIMARY KEY,
    name    text COLLATE "C" NOT NULL,
    -- The shared one that it has replaced, as long as there may be processes that work in it.
    former  text COLLATE "C"
);
GRANT SELECT ON schema_migration.role TO PUBLIC;
"""
_RECORD = """
INSERT INTO schema_migration.role (purpose, name) VALUES (%s, %s)
ON CONFLICT (purpose) DO UPDATE SET former = role.name, name = excluded.name
"""
_RECORDED = "SELECT purpose, name FROM schema_migration.role"
_HAS_RECORD = """
SELECT CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            THEN pg_catalog.to_regclass('schema_migration.role') IS NOT NULL ELSE false END
FROM pg_catalog.pg_namespace n WHERE n.nspname = 'schema_migration'
"""
_FORMER = "SELECT former FROM schema_migration.role WHERE former IS NOT NULL"
_IS_OF_BEFORE = "SELECT FROM schema_migration.applied WHERE name = '0001_log.sql'"
# Nobody else may have given it rights: those who may become the role would have rights in both databases.
_IS_FREE = """
SELECT (s.rolsuper OR pg_catalog.pg_has_role(s.oid, r.oid, 'MEMBER WITH ADMIN OPTION'))
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend d
                       WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = r.oid
                         AND d.dbid NOT IN (0, (SELECT oid FROM pg_catalog.pg_database
                                                WHERE datname = pg_catalog.current_database())))
FROM pg_catalog.pg_roles r, pg_catalog.pg_roles s WHERE r.rolname = %s AND s.rolname = current_user
"""
_SHARERS = """
SELECT DISTINCT d.datname::text FROM pg_catalog.pg_shdepend s
JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND r.rolname = ANY (%s)
  AND d.datname <> pg_catalog.current_database() ORDER BY 1
"""


class _TakenError(Exception):
    """A role belongs to somebody else."""


def roles_at(conninfo: str) -> Names:
    """The roles of the database that a connection string leads to; one that is away for a moment is waited for."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                return roles_of(connection)
        except psycopg.Error as error:
            if not is_unavailable(error) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)


@cache
def known_roles(conninfo: str) -> Names:
    """The same as of when this process first asked: those that have been replaced since are good until they retire."""
    return roles_at(conninfo)


def roles_of(connection: psycopg.Connection[Any]) -> Names:
    """The roles of the connected database; the plain ones, if it was last migrated before there were others."""
    return _recorded(connection) if _has_record(connection) else _plain()


def _has_record(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database says what its roles are called, and to everybody."""
    return connection.execute(_HAS_RECORD).fetchone() == (True,)


def _recorded(connection: psycopg.Connection[Any]) -> Names:
    return {_PREFIX + purpose: name for purpose, name in connection.execute(_RECORDED)}


def former_roles_of(connection: psycopg.Connection[Any]) -> set[str]:
    """The roles that those of the connected database have replaced, and that still have their rights."""
    return {name for (name,) in connection.execute(_FORMER)} if _has_record(connection) else set()


def settle_roles(connection: psycopg.Connection[Any]) -> Names:
    """The roles of a database that is being migrated: its own from now on. The caller holds the lock of migrations."""
    with connection.transaction():
        if _has_record(connection):
            return _recorded(connection)
        connection.execute(_CREATE_RECORD)
        # Programs of the release before know no other names, and may be running.
        names = _plain() if connection.execute(_IS_OF_BEFORE).rowcount else claim_roles(connection)
        record(connection, names)
    return names


def record(connection: psycopg.Connection[Any], names: Names) -> None:
    """Have the database say which roles are its own, which also tells other databases that they are taken."""
    for plain, name in names.items():
        connection.execute(_RECORD, (plain.removeprefix(_PREFIX), name))
        connection.execute(SQL("GRANT USAGE ON SCHEMA schema_migration TO {}").format(Identifier(name)))
    known_roles.cache_clear()


def _candidates(connection: psycopg.Connection[Any]) -> Iterator[Names]:
    """What the roles of a new database may be called, best first."""
    yield _plain()
    own = re.sub(r"[^a-z0-9]+", "_", connection.info.dbname.lower()).strip("_")[:_LENGTH_OF_SUFFIX] or "database"
    yield {plain: f"{plain}_{own}" for plain in PLAIN}
    for number in count(2):
        yield {plain: f"{plain}_{own}_{number}" for plain in PLAIN}


def claim_roles(connection: psycopg.Connection[Any]) -> Names:
    """Make the first roles that are nobody else's; those that a dropped database has left are taken again."""
    for names in _candidates(connection):
        try:
            with connection.transaction():
                for name in names.values():
                    _take(connection, name)
                return names
        # Somebody was quicker, or may not be interfered with.
        except (_TakenError, errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_):
            continue
    raise AssertionError("there are always more names")


def _take(connection: psycopg.Connection[Any], name: str) -> None:
    role = Identifier(name)
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).rowcount:
        admin = SQL("" if connection.info.server_version >= _MAKERS_ARE_ADMINS else " ADMIN CURRENT_USER")
        connection.execute(SQL("CREATE ROLE {} NOLOGIN{}").format(role, admin))
        return
    if connection.execute(_IS_FREE, (name,)).fetchone() != (True,):
        raise _TakenError
    # Two databases that are migrated at once cannot both change it, and who comes second looks again.
    connection.execute(SQL("ALTER ROLE {} NOLOGIN").format(role))
    if connection.execute(_IS_FREE, (name,)).fetchone() != (True,):
        raise _TakenError


def named(sql: str, names: Names) -> str:
    """A migration's statements with the roles of a database in place of the plain ones."""
    return _IN_SQL.sub(lambda found: names[found[1]], sql)


def others_with_roles_of(conninfo: str) -> list[str]:
    """The other databases of the server in which the roles of this one have rights."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return sharers(connection)


def sharers(connection: psycopg.Connection[Any]) -> list[str]:
    """The other databases of the server in which the roles of the connected one have rights."""
    rows = connection.execute(_SHARERS, (list(roles_of(connection).values()),))
    return [name for (name,) in rows]


def _plain() -> Names:
    return {plain: plain for plain in PLAIN}
