"""Hints that something is new. A hint may be lost or come twice: whoever waits also looks now and then.

They are sent after the append and never inside it, because NOTIFY makes commits wait for each other; many appends in a
row make one hint.
"""

import asyncio
import contextlib
from typing import Any, Self

import psycopg
import structlog

from infrastructure.postgres.connections import connect

LOG_CHANNEL = "reprise_log"
"""Says that the log has grown, or that something else waits for a worker."""
HINT = f"NOTIFY {LOG_CHANNEL}"
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
                    await connection.execute(HINT)
                    await asyncio.sleep(PAUSE_SECONDS)
                except psycopg.Error:  # A standby takes no NOTIFY, which is not an operational error to psycopg.
                    # The followers' own looking makes up for it.
                    if connection:
                        await connection.close()
                    connection = None
        finally:
            if connection:
                await connection.close()
