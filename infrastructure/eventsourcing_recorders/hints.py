"""Hints that the log has grown, as of `infrastructure.log.notifications`, for the threads of the library.

A lost one costs followers a poll.
"""

from contextlib import suppress
from threading import Event, Lock
from types import TracebackType
from typing import Self

import psycopg

from infrastructure.eventsourcing_recorders.datastore import Connection
from infrastructure.log.notifications import HINT, LOG_CHANNEL

CONNECT_TIMEOUT_SECONDS = 5


class AppendHints:
    """Sends hints: one at a time, and one for all the appends that happen in the meantime."""

    def __init__(self) -> None:
        self._due = False
        self._sending = Lock()

    def send(self, connection: Connection) -> None:
        """Wake those who listen; if that fails they will find out by themselves."""
        self._due = True
        while self._due and self._sending.acquire(blocking=False):
            try:
                self._due = False
                with suppress(psycopg.Error):
                    connection.execute(HINT)
            finally:
                self._sending.release()


class AppendListener:
    """Waits for hints, on a connection of its own that it replaces when it is lost."""

    def __init__(self, conninfo: str, stopped: Event) -> None:
        self._conninfo = conninfo
        self._stopped = stopped
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        self.wait(0)
        return self

    def wait(self, seconds: float) -> None:
        """Return when there may be something new, at the latest after so many seconds."""
        try:
            self._wait(seconds)
        except psycopg.OperationalError:
            self._disconnect()
            self._stopped.wait(seconds)

    def _wait(self, seconds: float) -> None:
        if self._connection is None:
            # What was appended before it listened has sent no hint to it: no time to wait for one.
            self._connection = _listening(self._conninfo)
        else:
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                return

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._disconnect()


def _listening(conninfo: str) -> Connection:
    connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        connection.execute(f"LISTEN {LOG_CHANNEL}")
    except psycopg.Error:
        connection.close()
        raise
    return connection
