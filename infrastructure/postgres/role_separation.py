"""Parts a database from roles that it shares with others of its server: in two steps, while everything runs.

First it gets roles of its own beside the shared ones; once no process works in those any more, they lose their rights.
"""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from infrastructure.postgres.roles import Names, claim_roles, former_roles_of, record, roles_of, sharers
from infrastructure.postgres.schema import MIGRATION_LOCK

_ALONE = "SELECT pg_advisory_xact_lock(%s)"
# What somebody has been given in this database; names come quoted.
_RIGHTS = """
SELECT CASE WHEN t.attribute IS NULL THEN a.privilege_type
            ELSE pg_catalog.format('%%s (%%I)', a.privilege_type, t.attribute) END, t.thing
FROM (
    SELECT 'DATABASE ' || pg_catalog.quote_ident(datname) AS thing, NULL AS attribute, datacl AS acl
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    UNION ALL SELECT 'SCHEMA ' || pg_catalog.quote_ident(nspname), NULL, nspacl FROM pg_catalog.pg_namespace
    UNION ALL SELECT 'FUNCTION ' || oid::pg_catalog.regprocedure, NULL, proacl FROM pg_catalog.pg_proc
    UNION ALL SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || oid::pg_catalog.regclass, NULL, relacl
    FROM pg_catalog.pg_class
    UNION ALL SELECT 'TABLE ' || attrelid::pg_catalog.regclass, attname, attacl FROM pg_catalog.pg_attribute
) t, pg_catalog.aclexplode(t.acl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE r.rolname = %s
"""


class RolesNotSharedError(Exception):
    """The roles of a database are its own already."""

    def __init__(self) -> None:
        super().__init__("The roles of this database have rights in no other.")


class SeparationUnderWayError(Exception):
    """The database has roles of its own, and those that it shared have not lost their rights yet."""

    def __init__(self) -> None:
        super().__init__("The roles were separated before. Finish with `reprise roles retire`.")


def separate_roles(conninfo: str) -> Names:
    """Give a database roles of its own, with the rights that the shared ones have there; as its owner.

    The shared ones keep them until `retire_shared_roles`. Raises `RolesNotSharedError` and `SeparationUnderWayError`.
    """
    with psycopg.connect(conninfo) as connection:
        connection.execute(_ALONE, (MIGRATION_LOCK,))
        if former_roles_of(connection):
            raise SeparationUnderWayError
        if not sharers(connection):
            raise RolesNotSharedError
        shared, own = roles_of(connection), claim_roles(connection)
        for plain, name in own.items():
            connection.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(name)))
            _execute(connection, (f"GRANT {right} TO {{}}" for right in _rights(connection, shared[plain])), name)
        record(connection, own)
    return own


def retire_shared_roles(conninfo: str) -> list[str]:
    """Take from the roles that a database shared whatever they may do there; their names, if there were any."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(_ALONE, (MIGRATION_LOCK,))
        former = sorted(former_roles_of(connection))
        for name in former:
            _execute(connection, (f"REVOKE {right} FROM {{}}" for right in _rights(connection, name)), name)
        connection.execute("UPDATE schema_migration.role SET former = NULL")
    return former


def _rights(connection: psycopg.Connection[Any], role: str) -> list[str]:
    return [f"{right} ON {thing}" for right, thing in connection.execute(_RIGHTS, (role,))]


def _execute(connection: psycopg.Connection[Any], statements: Iterable[str], role: str) -> None:
    name = Identifier(role).as_string(connection)
    for statement in statements:
        connection.execute(statement.replace("{}", name).encode())
