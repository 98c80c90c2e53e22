"""Hints that something is new. A hint may be lost or come twice: whoever waits also looks by itself now and then.

They are sent after the append and never inside it, because NOTIFY makes commits wait for each other; many appends in a
row make one hint.
"""

import asyncio
import contextlib
import threading
from typing import Any, Self

import psycopg
import structlog

from infrastructure.postgres.connections import connect

LOG_CHANNEL = "reprise_log"
"""Says that the log has grown."""
PAUSE_SECONDS = 0.01
"""Between two hints: half of a follower's pace, so that there has been one when it comes to an end of its work."""

log = structlog.get_logger(__name__)


class WakeUpSender:
    """Tells other processes that this one has appended."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._wanted = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send_for_ever(), name="wake-up-sender")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sender:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender

    def hint(self) -> None:
        """Have the others told, soon; costs the caller nothing."""
        self._wanted.set()

    async def _send_for_ever(self) -> None:
        connection: psycopg.AsyncConnection[Any] | None = None
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                try:
                    connection = connection or await connect(self._conninfo)
                    await connection.execute(f"NOTIFY {LOG_CHANNEL}")
                    await asyncio.sleep(PAUSE_SECONDS)
                except psycopg.Error:  # A standby takes no NOTIFY, which is not an operational error to psycopg.
                    # The followers' own looking makes up for it.
                    if connection:
                        await connection.close()
                    connection = None
        finally:
            if connection:
                await connection.close()


class WakeUpListener(threading.Thread):
    """Wakes the threads of this process that wait for the log to grow."""

    def __init__(self, conninfo: str, stop: threading.Event) -> None:
        super().__init__(name="wake-up-listener", daemon=True)
        self._conninfo = conninfo
        self._stop_requested = stop
        self._sleepers: list[threading.Event] = []

    def sleeper(self) -> threading.Event:
        """An event that is set whenever the log may have grown; its owner clears it."""
        event = threading.Event()
        self._sleepers.append(event)
        return event

    def wake_all(self) -> None:
        """Wake everybody, without a hint."""
        for sleeper in self._sleepers:
            sleeper.set()

    def run(self) -> None:
        """Listen until stopped, if anybody sleeps; connect again whenever the connection is lost."""
        while self._sleepers and not self._stop_requested.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    connection.execute(f"LISTEN {LOG_CHANNEL}")
                    self.wake_all()
                    self._pass_on(connection)
            except psycopg.Error as error:
                log.warning("wake_ups.connection_lost", error=type(error).__name__)
                self._stop_requested.wait(0.5)

    def _pass_on(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stop_requested.is_set():
            for _ in connection.notifies(timeout=0.25, stop_after=1):
                self.wake_all()
