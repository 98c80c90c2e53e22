"""Logs that a crowd of writers and followers can be let loose on: ours, and the one it is compared with."""

from collections.abc import Sequence
from typing import Any, LiteralString, Protocol
from uuid import UUID

import msgspec
import psycopg
from eventsourcing.postgres import PostgresFactory
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from infrastructure.postgres.connections import APP_ROLE, in_role

Connection = psycopg.Connection[TupleRow]


class Command(msgspec.Struct, frozen=True):
    """Wants to record so many events in a stream, from a version on."""

    id: UUID
    stream_id: UUID
    first_version: int
    size: int = 1

    def columns(self, state: bytes) -> tuple[list[UUID], list[int], list[str], list[bytes]]:
        """Its events: ids, versions, topics, states."""
        versions = list(range(self.first_version, self.first_version + self.size))
        return [self.stream_id] * self.size, versions, ["happened"] * self.size, [state] * self.size


class Entry(msgspec.Struct, frozen=True):
    """An event as a follower sees it."""

    position: int
    command_id: UUID
    stream_id: UUID
    version: int


class LogUnderTest(Protocol):
    """What writers and followers need of a log. It is handed to other processes, so it holds no connection."""

    @property
    def conninfo(self) -> str:
        """The database, as its owner connects to it."""
        ...

    def connect(self) -> Connection:
        """A connection in autocommit mode, as the program that uses the log would make it."""
        ...

    def append_statement(self, command: Command) -> tuple[LiteralString, Sequence[Any]]:
        """The statement that appends a command, and its parameters."""
        ...

    def append(self, connection: Connection, command: Command) -> bool:
        """Append, and tell whether the log has it now."""
        ...

    def read_after(self, connection: Connection, position: int, limit: int) -> list[Entry]:
        """The next entries for a follower that has seen everything up to a position."""
        ...

    def next_version(self, connection: Connection, stream_id: UUID) -> int:
        """The version that a writer may use next in a stream, unless another is faster."""
        ...

    def head(self, connection: Connection) -> int:
        """The last position that can be read."""
        ...


class RepriseLog(msgspec.Struct, frozen=True):
    """Our log, through its SQL: `log.append` to write, positions to read."""

    conninfo: str

    def connect(self) -> Connection:
        return psycopg.connect(
            make_conninfo(in_role(self.conninfo, APP_ROLE), application_name="crowd"), autocommit=True
        )

    def append_statement(self, command: Command) -> tuple[LiteralString, Sequence[Any]]:
        columns = command.columns(state=b"it did")
        return _REPRISE_APPEND, [[command.id], [1] * command.size, *columns]

    def append(self, connection: Connection, command: Command) -> bool:
        row = connection.execute(*self.append_statement(command)).fetchone()
        return row is not None and row[0] in ("appended", "recorded")

    def read_after(self, connection: Connection, position: int, limit: int) -> list[Entry]:
        return [Entry(*row) for row in connection.execute(_REPRISE_READ, (position, limit))]

    def next_version(self, connection: Connection, stream_id: UUID) -> int:
        return _number(connection, "SELECT max(version) FROM log.event WHERE stream_id = %s", stream_id) + 1

    def head(self, connection: Connection) -> int:
        return _number(connection, 'SELECT max("position") FROM log.event')


_REPRISE_APPEND = """
SELECT outcome FROM log.append(
    %s::uuid[], ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY[NULL::uuid], ARRAY[NULL::uuid],
    ARRAY[NULL::bytea], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text],
    %s::integer[], %s::uuid[], %s::integer[], %s::text[], %s::bytea[])
"""
_REPRISE_READ = """
SELECT "position", command_id, stream_id, version FROM log.event
WHERE "position" > %s ORDER BY "position" LIMIT %s
"""


class StockLibraryLog(msgspec.Struct, frozen=True):
    """The log of the eventsourcing library's own recorder, in its mode with database functions."""

    conninfo: str

    def create(self) -> None:
        """Have the library create its table and its function."""
        given = {"host": "localhost", "port": "5432", "password": "", **conninfo_to_dict(self.conninfo)}
        environment = {
            f"POSTGRES_{name}": str(given[name.lower()]) for name in ("DBNAME", "HOST", "PORT", "USER", "PASSWORD")
        }
        with PostgresFactory({**environment, "POSTGRES_ENABLE_DB_FUNCTIONS": "y"}) as factory:
            factory.application_recorder()

    def connect(self) -> Connection:
        return psycopg.connect(make_conninfo(self.conninfo, application_name="crowd"), autocommit=True)

    def append_statement(self, command: Command) -> tuple[LiteralString, Sequence[Any]]:
        return _STOCK_APPEND, command.columns(state=command.id.bytes)

    def append(self, connection: Connection, command: Command) -> bool:
        try:
            with connection.transaction():
                connection.execute(*self.append_statement(command))
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def read_after(self, connection: Connection, position: int, limit: int) -> list[Entry]:
        rows = connection.execute(_STOCK_READ, (position, limit))
        return [Entry(position, UUID(bytes=state), *rest) for position, state, *rest in rows]

    def next_version(self, connection: Connection, stream_id: UUID) -> int:
        select = "SELECT max(originator_version) FROM stored_events WHERE originator_id = %s"
        return _number(connection, select, stream_id) + 1

    def head(self, connection: Connection) -> int:
        return _number(connection, "SELECT max(notification_id) FROM stored_events")


_STOCK_APPEND = """
SELECT * FROM es_insert_events_uuid(ARRAY(
    SELECT ROW(e.*)::stored_event_uuid FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bytea[]) AS e))
"""
_STOCK_READ = """
SELECT notification_id, state, originator_id, originator_version FROM stored_events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""


def _number(connection: Connection, statement: LiteralString, *parameters: object) -> int:
    row = connection.execute(statement, parameters).fetchone()
    return row[0] or 0 if row else 0
