"""Connections to the database, each in the role of the part of the program that uses it."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from infrastructure.logins import APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE

__all__ = [
    "APP_ROLE",
    "PROJECTOR_ROLE",
    "SEALER_ROLE",
    "as_projector",
    "as_sealer",
    "connect",
    "in_role",
    "reading_pool",
]

_OURS_ALONE = "pg_catalog,pg_temp"


def in_role(conninfo: str, role: str, search_path: str | None = _OURS_ALONE, **settings: str) -> str:
    """The same database, in a role with no more rights than its user needs, with settings for the session.

    Our statements name the schema of whatever is not PostgreSQL's own, so nothing is looked for anywhere else. Without
    a search path, it is what the database says.
    """
    given = conninfo_to_dict(conninfo).get("options") or ""
    path = {"search_path": search_path} if search_path else {}
    every = {**path, "role": role, "timezone": "UTC", **settings}
    options = " ".join(f"-c {name}={value}" for name, value in every.items())
    return make_conninfo(conninfo, options=f"{given} {options}".strip(), application_name=role)


def as_projector(conninfo: str) -> str:
    """The same database, in the role of the projector."""
    # A read model can be made again from the log, so its commits need not wait for the disk. A worker that freezes in
    # the middle of a batch is cut off, so that another can go on.
    return in_role(conninfo, PROJECTOR_ROLE, synchronous_commit="off", idle_in_transaction_session_timeout="30s")


def as_sealer(conninfo: str) -> str:
    """The same database, in the role of the sealer."""
    return in_role(conninfo, SEALER_ROLE, idle_in_transaction_session_timeout="30s")


async def connect(conninfo: str) -> psycopg.AsyncConnection[Any]:
    """A connection in autocommit mode."""
    return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)


def reading_pool(conninfo: str, size: int) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
    """Connections for queries, in autocommit mode; checked before use, so that a restarted database goes unnoticed."""
    return AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=size,
        kwargs={"autocommit": True},
        open=False,
        timeout=10.0,
    )
