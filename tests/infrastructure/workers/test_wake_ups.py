"""Hints and occasions reach those who sleep, nobody listens for nobody, and who has nothing to do sleeps on."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

import psycopg

from application.users.directory import USER_DIRECTORY
from infrastructure.log.notifications import LOG_CHANNEL
from infrastructure.log.reader import Connection
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.projections.rebuild.rebuild_requests import request_rebuild
from infrastructure.workers.occasions import Lookout, Occasion
from infrastructure.workers.wake_ups import WakeUpListener
from infrastructure.workers.worker import OWN_LOOK_SECONDS, _Thread
from tests.support.running import projector
from tests.support.waiting import PATIENCE_SECONDS


class Scripted(Lookout):
    """Finds what it is told, once, and nothing after that."""

    def __init__(self, *found: set[Occasion]) -> None:
        super().__init__([])
        self._found = list(found)

    def look(self, connection: Connection) -> set[Occasion]:
        return self._found.pop(0) if self._found else set()


class Clock(threading.Event):
    """Lets no time pass, but notes for how long somebody would have slept, until it was often enough."""

    def __init__(self, stop: threading.Event, turns: int) -> None:
        super().__init__()
        self.slept: list[float | None] = []
        self._end, self._turns = stop, turns

    def wait(self, timeout: float | None = None) -> bool:
        self.slept.append(timeout)
        if len(self.slept) == self._turns:
            self._end.set()
        return False


@contextmanager
def listening(listener: WakeUpListener, stop: threading.Event) -> Iterator[None]:
    listener.start()
    try:
        yield
    finally:
        stop.set()
        listener.join()


def roused(sleeper: threading.Event) -> bool:
    """Whether it is woken; it sleeps again afterwards."""
    is_woken = sleeper.wait(timeout=PATIENCE_SECONDS)
    sleeper.clear()
    return is_woken


def test_a_process_in_which_nobody_sleeps_does_not_listen() -> None:
    listener = WakeUpListener("host=/nowhere", threading.Event(), Scripted())

    listener.start()
    listener.join(timeout=PATIENCE_SECONDS)

    assert not listener.is_alive()


def test_a_hint_wakes_all_who_wait_for_hints(database: str) -> None:
    stop = threading.Event()
    listener = WakeUpListener(database, stop, Scripted())
    sleepers = [listener.sleeper(Occasion.HINT), listener.sleeper(Occasion.HINT, Occasion.FOLLOWING)]
    other = listener.sleeper(Occasion.MAIL)
    with listening(listener, stop):
        assert all(map(roused, [*sleepers, other])), "whoever begins to listen looks at once"
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"NOTIFY {LOG_CHANNEL}")

        assert all(map(roused, sleepers))
        assert not other.is_set()


def test_what_a_look_finds_wakes_those_who_wait_for_it(database: str) -> None:
    stop = threading.Event()
    listener = WakeUpListener(database, stop, Scripted(set(), {Occasion.REBUILD}, {Occasion.MAIL}))
    rebuilding, mailing, sealing = map(listener.sleeper, (Occasion.REBUILD, Occasion.MAIL, Occasion.SEALING))
    with listening(listener, stop):
        assert all(map(roused, (rebuilding, mailing, sealing)))

        assert roused(rebuilding)
        assert roused(mailing)
        assert not sealing.is_set()


def test_a_request_for_a_rebuild_sends_a_hint(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as listening, projector(database) as connection:
        listening.execute(f"LISTEN {LOG_CHANNEL}")

        request_rebuild(connection, USER_DIRECTORY.name, "system:test")

        assert [hint.channel for hint in listening.notifies(timeout=PATIENCE_SECONDS, stop_after=1)] == [LOG_CHANNEL]


def test_requests_over_http_for_rebuilds_and_letters_send_hints(database: str) -> None:
    async def ask(queries: ProjectionQueries) -> None:
        await queries.request_rebuild(USER_DIRECTORY.name, "admin:test")
        with suppress(LookupError):
            await queries.ask_to_settle(USER_DIRECTORY.name, uuid4(), "admin:test", None)

    async def scenario() -> None:
        async with reading_pool(in_role(database, APP_ROLE), 1) as pool:
            await ask(ProjectionQueries(pool))

    with psycopg.connect(database, autocommit=True) as listening:
        listening.execute(f"LISTEN {LOG_CHANNEL}")

        asyncio.run(scenario())

        assert len(list(listening.notifies(timeout=PATIENCE_SECONDS, stop_after=2))) == 2


def test_a_thread_with_nothing_to_do_looks_once_and_sleeps_until_it_is_woken(database: str) -> None:
    stop, looks = threading.Event(), Counter[str]()
    clock = Clock(stop, turns=5)

    def look(_: Connection) -> bool:
        looks["at work"] += 1
        return False

    _Thread("idle", database, stop, look, clock).run()

    assert (looks["at work"], clock.slept) == (5, [OWN_LOOK_SECONDS] * 5)
