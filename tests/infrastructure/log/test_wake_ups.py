"""Hints reach those who sleep, and nobody listens for nobody."""

import threading

import psycopg

from infrastructure.log.notifications import LOG_CHANNEL, WakeUpListener
from tests.support.waiting import PATIENCE_SECONDS


def test_a_process_in_which_nobody_sleeps_does_not_listen() -> None:
    listener = WakeUpListener("host=/nowhere", threading.Event())

    listener.start()
    listener.join(timeout=PATIENCE_SECONDS)

    assert not listener.is_alive()


def test_a_hint_wakes_all_who_sleep(database: str) -> None:
    stop = threading.Event()
    listener = WakeUpListener(database, stop)
    sleepers = [listener.sleeper(), listener.sleeper()]
    listener.start()
    try:
        for sleeper in sleepers:
            assert sleeper.wait(timeout=PATIENCE_SECONDS), "whoever begins to listen looks at once"
            sleeper.clear()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"NOTIFY {LOG_CHANNEL}")

        assert all(sleeper.wait(timeout=PATIENCE_SECONDS) for sleeper in sleepers)
    finally:
        stop.set()
        listener.join()
