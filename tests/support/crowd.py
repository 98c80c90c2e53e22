"""A crowd on a log: processes that write to it and processes that follow it, while things go wrong.

The first writer stalls in a transaction that has appended and not yet committed, until a follower has read past it or
another writer waits for it. The second is stopped (SIGSTOP) between sending an append and reading its answer, until the
others have got ahead. Connections are cut. Transactions are slow, or rolled back. Commands compete for versions.
"""

import os
import signal
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

import msgspec
import psycopg

from tests.support.crowd_members import FAREWELL, Stage, enter, follow, write
from tests.support.crowd_observation import Observation, WriterReport
from tests.support.logs_under_test import Command, Connection, LogUnderTest
from tests.support.waiting import eventually

LEAD_OVER_THE_STOPPED = 100
"""So many events the others record while one writer is stopped."""
EVENTS_BETWEEN_CUTS = 50

_CUT_TWO = """
SELECT pg_terminate_backend(pid) FROM (
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'crowd' ORDER BY random() LIMIT 2) AS victim
"""


class Crowd(msgspec.Struct, frozen=True):
    """How many there are, how much each writer does, and how often connections are cut."""

    writers: int = 8
    followers: int = 4
    commands: int = 250
    cuts: int = 12

    def observe(self, log: LogUnderTest) -> Observation:
        """Let it loose on an empty log and tell what everyone did and saw."""
        context = get_context("spawn")
        stage = Stage(context, self.followers)
        size = self.writers + self.followers
        with (
            psycopg.connect(log.conninfo, autocommit=True) as connection,
            ProcessPoolExecutor(size, context, enter, (stage,)) as crowd,
            _nobody_left_behind(),
        ):
            sightings = [crowd.submit(follow, log, number) for number in range(self.followers)]
            reports = [crowd.submit(write, log, number, self.commands) for number in range(self.writers)]
            self._disturb(log, connection, stage, lambda: _all_is_written(reports))
            written = [*(report.result() for report in reports), _farewell(log, connection)]
            seen = [sighting.result() for sighting in sightings]
            return Observation(log.read_after(connection, 0, 10**9), seen, written)

    def _disturb(
        self, log: LogUnderTest, connection: Connection, stage: Stage, all_is_written: Callable[[], bool]
    ) -> None:
        def others_record(events: int) -> None:
            goal = log.head(connection) + events
            eventually(lambda: log.head(connection) >= goal or all_is_written(), "that others record")

        eventually(lambda: stage.stall_is_over.is_set() or all_is_written(), "the end of the stall")
        with _writer_stopped(stage, all_is_written):
            others_record(LEAD_OVER_THE_STOPPED)
        for _ in range(self.cuts):
            others_record(EVENTS_BETWEEN_CUTS)
            connection.execute(_CUT_TWO)


def _all_is_written(reports: list[Future[WriterReport]]) -> bool:
    """Whether all have finished; raises the error of one who failed."""
    return len([report.result() for report in reports if report.done()]) == len(reports)


def _farewell(log: LogUnderTest, connection: Connection) -> WriterReport:
    farewell = Command(FAREWELL, FAREWELL, first_version=1)
    return WriterReport(acknowledged=[farewell] if log.append(connection, farewell) else [])


@contextmanager
def _nobody_left_behind() -> Generator[None]:
    try:
        yield
    except BaseException:
        for process in active_children():
            process.kill()
        raise


@contextmanager
def _writer_stopped(stage: Stage, all_is_written: Callable[[], bool]) -> Generator[None]:
    process = eventually(lambda: stage.stopped_process.value or all_is_written(), "a writer that is about to stop")
    try:
        eventually(lambda: os.waitid(os.P_PID, process, os.WSTOPPED | os.WNOHANG | os.WNOWAIT), "its stop")
        yield
    finally:
        os.kill(process, signal.SIGCONT)
