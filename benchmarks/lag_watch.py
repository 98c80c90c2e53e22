"""Watches when read models show what was recorded.

The engine says when it has committed (NOTIFY); each time, and only then, the checkpoints are read. An event counts as
visible when they were seen to have reached it: later than it really was, by the time of that look.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import psycopg

from application.read_models import READ_MODELS
from infrastructure.projections.follow.following import CHANNEL

LOOK_SECONDS = 0.2


class Sighting(msgspec.Struct, frozen=True):
    """Where a read model was seen to be, at an instant."""

    instant: datetime
    position: int


class LagWatch:
    """What was seen of each read model."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._sightings: dict[str, list[Sighting]] = {name: [] for name in READ_MODELS}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for as long as the context lasts."""
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,), name="lag-watch")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _watch(self, stop: threading.Event) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not stop.is_set():
                self._look(connection)
                for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                    pass

    def _look(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(
            """SELECT name, "position" FROM projection.standing WHERE state = 'live'""", prepare=True
        ).fetchall()
        instant = datetime.now(UTC)
        for name, position in rows:
            seen = self._sightings[name]
            if not seen or seen[-1].position < position:
                seen.append(Sighting(instant, position))

    def lags(self, model: str, after: int, upto: int) -> list[float]:
        """How many seconds after it was recorded each event in (after, upto] was visible in a read model."""
        with psycopg.connect(self._conninfo) as connection:
            recorded = connection.execute(
                'SELECT "position", recorded_at FROM log.event WHERE "position" > %s AND "position" <= %s ORDER BY 1',
                (after, upto),
            ).fetchall()
        sightings = iter(self._sightings[model])
        seen = next(sightings, None)
        lags: list[float] = []
        for position, recorded_at in recorded:
            while seen is not None and seen.position < position:
                seen = next(sightings, None)
            if seen is None:
                raise NeverSeenError(f"{model} was never seen at position {position}.")
            lags.append((seen.instant - recorded_at).total_seconds())
        return lags

    def seen(self, model: str, position: int) -> datetime:
        """When a read model was first seen to have come so far."""
        sightings = self._sightings[model]
        place = bisect_left(sightings, position, key=lambda sighting: sighting.position)
        if place == len(sightings):
            raise NeverSeenError(f"{model} was never seen at position {position}.")
        return sightings[place].instant


class NeverSeenError(Exception):
    """A read model did not come as far as the log while it was watched."""
