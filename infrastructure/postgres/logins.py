"""The database logins of the program, which own nothing, and the roles that each may assume.

A process that is made to run injected SQL can do no more than its login: `RESET ROLE` leads back to a
login that has no rights of its own (docs/decisions/0025-database-logins.md).
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg.sql import SQL, Identifier

from infrastructure.postgres.roles import APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE, Names, former_roles_of, roles_of


class Login(StrEnum):
    """As whom a process connects."""

    API = "api"
    """Answers requests and carries out commands."""
    WORKER = "worker"
    """Keeps read models, seals the log, erases and mails; also commands for operators that look into read models."""
    OWNER = "owner"
    """Changes the schema; also what no process needs every day, such as restoring a backup."""


ROLES: Mapping[Login, tuple[str, ...]] = MappingProxyType(
    {Login.API: (APP_ROLE,), Login.WORKER: (APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE)}
)
"""The roles that a login takes, by their plain names; the owner may take all, too."""
EMBEDDED: Mapping[Login, str] = MappingProxyType(
    {Login.API: "reprise_api", Login.WORKER: "reprise_worker", Login.OWNER: "postgres"}
)
"""The logins of the embedded server."""

log = structlog.get_logger(__name__)

_PROVIDE_LOCK = 0x5265707269736533
"""Key of the advisory lock under which logins are made."""
_STANDING = """
SELECT r.rolname AS name,
       r.rolsuper AS is_superuser,
       r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls AS has_attributes,
       EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspowner = r.oid) AS owns,
       ARRAY(SELECT m.rolname::text FROM pg_catalog.pg_roles m
             WHERE pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER') AND m.oid <> r.oid ORDER BY 1) AS becomes
FROM pg_catalog.pg_roles r WHERE r.rolname = session_user
"""
_NO_MEMBER = """
SELECT r.rolname::text FROM pg_catalog.pg_roles r, pg_catalog.pg_roles u
WHERE r.rolname = ANY (%s) AND u.rolname = %s AND NOT pg_catalog.pg_has_role(u.oid, r.oid, 'MEMBER') ORDER BY 1
"""


class LoginMayTooMuchError(Exception):
    """A process would connect with a login that may do more than it needs."""


class LoginMayTooLittleError(Exception):
    """A process would connect with a login that may not assume the roles that it needs."""


class _Standing(msgspec.Struct, frozen=True):
    """What a login is, and whom it may become."""

    name: str
    is_superuser: bool
    has_attributes: bool
    owns: bool
    becomes: tuple[str, ...]
    roles: Names
    former: set[str]

    def needed(self, login: Login) -> set[str]:
        """What the roles that a process takes are called in this database."""
        return {self.roles[role] for role in ROLES[login]}


def require_roles(conninfo: str, login: Login) -> None:
    """Raise `LoginMayTooLittleError` if the connected login cannot assume the roles."""
    standing = _standing(conninfo)
    missing = standing.needed(login) - set(standing.becomes)
    if missing and not standing.is_superuser:
        raise LoginMayTooLittleError(
            f"{standing.name} is no member of {_listed(missing)}, as the login of the {login} has to be. "
            "See docs/operations.md, Logins."
        )


def check_login(conninfo: str, login: Login, *, production: bool) -> None:
    """Check whether a process may do more than it needs, and log a warning; `LoginMayTooMuchError` in production."""
    standing = _standing(conninfo)
    if excess := _excess(standing, standing.needed(login) | standing.former):
        if production:
            raise LoginMayTooMuchError(
                f"{standing.name}, the login of the {login}, {excess}: injected SQL could do as much. "
                f"Give the {login} a login of its own. See docs/operations.md, Logins."
            )
        log.warning("database.login_may_too_much", login=str(login), name=standing.name, because=excess)


def _standing(conninfo: str) -> _Standing:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(_STANDING).fetchone()
        roles, former = roles_of(connection), former_roles_of(connection)
    assert row is not None  # noqa: S101 - whoever is logged in is there
    name, is_superuser, has_attributes, owns, becomes = row
    return _Standing(name, is_superuser, has_attributes, owns, tuple(becomes), roles, former)


def _excess(standing: _Standing, roles: set[str]) -> str | None:
    if standing.is_superuser:
        return "is a superuser"
    if standing.owns:
        return "owns a schema"
    if standing.has_attributes:
        return "has attributes of an administrator (CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS)"
    others = set(standing.becomes) - roles
    return f"may become {_listed(others)}" if others else None


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def provide_logins(conninfo: str) -> None:
    """Make the logins of the embedded server, unless they are there; as its superuser, on a migrated database."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if all(_is_there(connection, EMBEDDED[login]) and not _missing(connection, login) for login in ROLES):
            return
        connection.execute("SELECT pg_advisory_lock(%s)", (_PROVIDE_LOCK,))
        for login in ROLES:
            with connection.transaction():
                _provide(connection, login)


def _provide(connection: psycopg.Connection[Any], login: Login) -> None:
    name = EMBEDDED[login]
    if not _is_there(connection, name):
        # Without NOINHERIT, a login would have the rights of all of its roles at once, whichever it has taken.
        connection.execute(SQL("CREATE ROLE {} LOGIN NOINHERIT").format(Identifier(name)))
    _admit(connection, name, _missing(connection, login))


def admit_logins(conninfo: str, users: Mapping[Login, str]) -> None:
    """Let the logins of processes take the roles of a migrated database, as its owner, who may be one of them.

    What the owner may not give is left to somebody who may: a process whose login may too little says so.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for login, user in users.items():
            if user != connection.info.user and _is_there(connection, user):
                with suppress(psycopg.errors.InsufficientPrivilege):
                    _admit(connection, user, _missing(connection, login, user))


def dismiss_logins(conninfo: str, users: Collection[str], roles: Collection[str]) -> None:
    """Have logins take certain roles no longer, as far as the owner may say so."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for user in {user for user in users if user != connection.info.user and _is_there(connection, user)}:
            for role in roles:
                with suppress(psycopg.errors.InsufficientPrivilege):
                    connection.execute(SQL("REVOKE {} FROM {}").format(Identifier(role), Identifier(user)))


def _missing(connection: psycopg.Connection[Any], login: Login, user: str | None = None) -> list[str]:
    """The roles that a login should be able to take and cannot."""
    names = roles_of(connection)
    rows = connection.execute(_NO_MEMBER, ([names[role] for role in ROLES[login]], user or EMBEDDED[login]))
    return [name for (name,) in rows]


def _admit(connection: psycopg.Connection[Any], user: str, roles: list[str]) -> None:
    if roles:
        names = SQL(", ").join(map(Identifier, roles))
        connection.execute(SQL("GRANT {} TO {}").format(names, Identifier(user)))


def _is_there(connection: psycopg.Connection[Any], user: str) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (user,)).rowcount == 1
