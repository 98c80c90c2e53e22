"""The database logins of the program, which own nothing, and the roles that each may assume.

A process that is made to run injected SQL can do no more than its login: `RESET ROLE` leads back to a
login that has no rights of its own (docs/decisions/0025-database-logins.md). Names of roles belong to the whole server;
all of them are here.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg.sql import SQL, Identifier

APP_ROLE = "reprise_app"
PROJECTOR_ROLE = "reprise_projector"
SEALER_ROLE = "reprise_sealer"


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
"""The roles that a login takes; the owner may take all, too."""
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


def require_roles(conninfo: str, login: Login) -> None:
    """Raise `LoginMayTooLittleError` if the connected login cannot assume the roles."""
    standing = _standing(conninfo)
    missing = set(ROLES[login]) - set(standing.becomes)
    if missing and not standing.is_superuser:
        raise LoginMayTooLittleError(
            f"{standing.name} is no member of {_listed(missing)}, as the login of the {login} has to be. "
            "See docs/operations.md, Logins."
        )


def check_login(conninfo: str, login: Login, *, production: bool) -> None:
    """Check whether a process may do more than it needs, and log a warning; `LoginMayTooMuchError` in production."""
    standing = _standing(conninfo)
    if excess := _excess(standing, ROLES[login]):
        if production:
            raise LoginMayTooMuchError(
                f"{standing.name}, the login of the {login}, {excess}: injected SQL could do as much. "
                f"Give the {login} a login of its own. See docs/operations.md, Logins."
            )
        log.warning("database.login_may_too_much", login=str(login), name=standing.name, because=excess)


def _standing(conninfo: str) -> _Standing:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(_STANDING).fetchone()
    assert row is not None  # noqa: S101 - whoever is logged in is there
    name, is_superuser, has_attributes, owns, becomes = row
    return _Standing(name, is_superuser, has_attributes, owns, tuple(becomes))


def _excess(standing: _Standing, roles: tuple[str, ...]) -> str | None:
    if standing.is_superuser:
        return "is a superuser"
    if standing.owns:
        return "owns a schema"
    if standing.has_attributes:
        return "has attributes of an administrator (CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS)"
    others = set(standing.becomes) - set(roles)
    return f"may become {_listed(others)}" if others else None


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def provide_logins(conninfo: str) -> None:
    """Make the logins of the embedded server, unless they are there; as its superuser, on a migrated database."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if all(_is_there(connection, login) for login in ROLES):
            return
        connection.execute("SELECT pg_advisory_lock(%s)", (_PROVIDE_LOCK,))
        for login in ROLES:
            with connection.transaction():
                _provide(connection, login)


def _provide(connection: psycopg.Connection[Any], login: Login) -> None:
    if _is_there(connection, login):
        return
    name = Identifier(EMBEDDED[login])
    roles = SQL(", ").join(map(Identifier, ROLES[login]))
    # Without NOINHERIT, a login would have the rights of all of its roles at once, whichever it has taken.
    connection.execute(SQL("CREATE ROLE {} LOGIN NOINHERIT").format(name))
    connection.execute(SQL("GRANT {} TO {}").format(roles, name))


def _is_there(connection: psycopg.Connection[Any], login: Login) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (EMBEDDED[login],)).rowcount == 1
