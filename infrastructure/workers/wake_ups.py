"""Wakes the threads of a worker: on a hint, and when a look for all of them finds something to do."""

import threading
import time
from collections.abc import Collection
from typing import Any

import psycopg
import structlog

from infrastructure.log.notifications import LOG_CHANNEL
from infrastructure.workers.occasions import Lookout, Occasion

LOOK_SECONDS = 0.25
"""How often a process looks by itself, once for all of its threads, while there is something to do, or a hint of it."""
REST_SECONDS = 1.0
"""The same while there is nothing: for hints that are lost, and mails that are to be tried again."""

log = structlog.get_logger(__name__)


class WakeUpListener(threading.Thread):
    """Wakes the threads of this process that wait for something to do, at once on a hint, or when a look finds it."""

    def __init__(self, conninfo: str, stop: threading.Event, lookout: Lookout) -> None:
        super().__init__(name="wake-up-listener", daemon=True)
        self._conninfo = conninfo
        self._stop_requested = stop
        self._lookout = lookout
        self._sleepers: list[tuple[frozenset[Occasion], threading.Event]] = []

    def sleeper(self, *occasions: Occasion) -> threading.Event:
        """An event that is set whenever there is one of these occasions; its owner clears it."""
        event = threading.Event()
        self._sleepers.append((frozenset(occasions), event))
        return event

    def wake(self, found: Collection[Occasion]) -> None:
        """Wake those who wait for one of these occasions."""
        for occasions, sleeper in self._sleepers:
            if not occasions.isdisjoint(found):
                sleeper.set()

    def wake_all(self) -> None:
        """Wake everybody, without an occasion."""
        self.wake(tuple(Occasion))

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
                self.wake_all()
                self._stop_requested.wait(0.5)

    def _pass_on(self, connection: psycopg.Connection[Any]) -> None:
        next_look = time.monotonic()
        while not self._stop_requested.is_set():
            for _ in connection.notifies(timeout=max(0.0, next_look - time.monotonic()), stop_after=1):
                self.wake({Occasion.HINT})
                next_look = min(next_look, time.monotonic() + LOOK_SECONDS)
            if time.monotonic() >= next_look:
                found = self._lookout.look(connection)
                self.wake(found)
                next_look = time.monotonic() + (LOOK_SECONDS if found else REST_SECONDS)
