"""Connections to the database, each in the role of the part of the program that uses it."""

import asyncio
import os
import select
import socket
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from infrastructure.postgres.roles import APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE, known_roles

__all__ = [
    "APP_ROLE",
    "PROJECTOR_ROLE",
    "SEALER_ROLE",
    "as_projector",
    "as_sealer",
    "connect",
    "in_role",
    "is_pinned",
    "pinned",
    "reading_pool",
]

ANSWER_SECONDS = 15.0
"""How long a query may take: far longer than any does on a database that works."""

_OURS_ALONE = "pg_catalog,pg_temp"
_PINNED = {
    "array_nulls": "on",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "datestyle": "ISO",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": r"read\ committed",
    "extra_float_digits": "1",
    "intervalstyle": "postgres",
    "standard_conforming_strings": "on",
    "timezone": "UTC",
    "transform_null_equals": "off",
}
"""What changes how values travel and what statements mean, whatever the database, the login or the environment say."""
_MARK = "reprise.session"
_SWITCHES = " ".join(f"-c {name}={value}" for name, value in {**_PINNED, _MARK: "pinned"}.items())


def pinned(conninfo: str) -> str:
    """The same database, with the settings that sessions of this program rely on."""
    given = str(conninfo_to_dict(conninfo).get("options") or "")
    options = given if _SWITCHES in given else f"{given} {_SWITCHES}".strip()
    return make_conninfo(conninfo, options=options, client_encoding="UTF8")


def is_pinned(connection: psycopg.Connection[Any]) -> bool:
    """Whether the settings of a session have arrived: there are connection poolers that leave them out."""
    row = connection.execute("SELECT current_setting(%s, true) = 'pinned'", (_MARK,)).fetchone()
    return bool(row and row[0])


def in_role(conninfo: str, role: str, search_path: str | None = _OURS_ALONE, **settings: str) -> str:
    """The same database, in a role with no more rights than its user needs, with settings for the session.

    The role is given by its plain name, and the database asked once what it is called there. Our statements name the
    schema of whatever is not PostgreSQL's own, so nothing is looked for anywhere else. Without a search path, it is
    what the database says.
    """
    conninfo = pinned(conninfo)
    path = {"search_path": search_path} if search_path else {}
    own = _escaped(known_roles(conninfo).get(role, role))
    options = " ".join(f"-c {name}={value}" for name, value in {**path, "role": own, **settings}.items())
    given = conninfo_to_dict(conninfo)["options"]
    return make_conninfo(conninfo, options=f"{given} {options}", application_name=role)


def _escaped(value: str) -> str:
    """A value of an option as the server expects it: somebody may have given a role an odd name."""
    return value.replace("\\", r"\\").replace(" ", r"\ ")


def as_app(conninfo: str) -> str:
    """The same database, in the role of the API."""
    return in_role(conninfo, APP_ROLE)


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
    """Connections for queries, in autocommit mode; checked before use, so that a restarted database goes unnoticed.

    Whoever holds one for longer than `ANSWER_SECONDS` meets an `OperationalError`, as if the server had gone.
    """
    return _BoundedPool(
        conninfo,
        min_size=1,
        max_size=size,
        kwargs={"autocommit": True},
        open=False,
        timeout=10.0,
        check=_check,
    )


class _BoundedPool(AsyncConnectionPool[psycopg.AsyncConnection[Any]]):
    """Hangs up on a server that does not answer, which no cancelled query would end: that waits for the server, too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ends: dict[psycopg.AsyncConnection[Any], asyncio.TimerHandle] = {}

    async def getconn(self, timeout: float | None = None) -> psycopg.AsyncConnection[Any]:  # noqa: ASYNC109 - the pool's
        connection = await super().getconn(timeout)
        self._ends[connection] = asyncio.get_running_loop().call_later(ANSWER_SECONDS, _hang_up, connection)
        return connection

    async def putconn(self, conn: psycopg.AsyncConnection[Any]) -> None:
        self._ends.pop(conn).cancel()
        await super().putconn(conn)


def _hang_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """End the conversation for both sides; whoever waits for the next word is told that there is none."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)


async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raise `OperationalError` for a connection whose server has gone.

    A server that ends a session says so, where an idle one says nothing: only if there is something to read, it is
    worth asking. So the check costs no round trip.
    """
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    if socket.poll(0):
        await AsyncConnectionPool.check_connection(connection)
