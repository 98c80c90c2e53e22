"""The members of a crowd, each in a process of its own: followers, and writers who stumble in many ways."""

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.context import SpawnContext
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg import ClientCursor

from tests.support.crowd_observation import WriterReport
from tests.support.logs_under_test import Command, Connection, Entry, LogUnderTest
from tests.support.waiting import eventually

FAREWELL = UUID(int=0)
"""Names the last command, at which the followers go home."""
STREAMS = [UUID(int=number) for number in range(1, 41)]
"""Few enough that writers get into each other's way."""
STALLING_WRITER = 0
STOPPED_WRITER = 1
STOPPED_AT = 10

T = TypeVar("T")
Way = Callable[[Connection, Command], bool]


class Stage:
    """What the members of a crowd share, across processes."""

    def __init__(self, context: SpawnContext, followers: int) -> None:
        self.stall_has_begun = context.Event()
        self.stall_is_over = context.Event()
        self.stopped_process = context.Value("i", 0)
        self.progress = context.Array("q", followers)


_stages: list[Stage] = []


def enter(stage: Stage) -> None:
    """Tell a new process where it plays."""
    _stages.append(stage)


def write(log: LogUnderTest, number: int, commands: int) -> WriterReport:
    """Write so many commands and report what became of them."""
    return _Writer(log, number).write(commands)


def follow(log: LogUnderTest, number: int) -> list[Entry]:
    """Follow the log from its beginning to the farewell and return what was seen."""
    return _Follower(log, number).follow()


class _Member:
    """Has a connection to the log, and another one when that is lost."""

    def __init__(self, log: LogUnderTest, number: int) -> None:
        self.stage = _stages[-1]
        self.log = log
        self.number = number
        self.random = random.Random(f"{type(self).__name__} {number}")
        self.connection = log.connect()
        self.lost_connections = 0

    def surely(self, action: Callable[[Connection], T]) -> T:
        """Do it, and do it again when the connection was lost over it."""
        while True:
            try:
                return action(self.connection)
            except psycopg.OperationalError:
                self.lost_connections += 1
                self.connection.close()
                self.connection = self.log.connect()


class _Follower(_Member):
    def follow(self) -> list[Entry]:
        seen: list[Entry] = []
        with self.connection:
            while not seen or seen[-1].command_id != FAREWELL:
                seen += eventually(partial(self._next, seen), "the next entry")
                self.stage.progress[self.number] = seen[-1].position
        return seen

    def _next(self, seen: list[Entry]) -> list[Entry]:
        after = seen[-1].position if seen else 0
        limit = self.random.randint(1, 50)
        return self.surely(lambda connection: self.log.read_after(connection, after, limit))


class _Writer(_Member):
    def write(self, commands: int) -> WriterReport:
        report = WriterReport()
        if self.number != STALLING_WRITER:
            eventually(self.stage.stall_has_begun.is_set, "the stall")
        for nth in range(commands):
            command, way = self._command(nth), self._way(nth)
            (report.acknowledged if self._do(way, command) else report.refused).append(command)
        self.connection.close()
        report.lost_connections = self.lost_connections
        return report

    def _do(self, way: Way, command: Command) -> bool:
        return self.surely(lambda connection: way(connection, command))

    def _command(self, nth: int) -> Command:
        # The first goes to a stream of its own, so that the writer who stalls over it is in nobody's way but the log's.
        stream_id = self.random.choice(STREAMS) if nth else UUID(int=1_000 + self.number)
        version = self.surely(lambda connection: self.log.next_version(connection, stream_id))
        return Command(UUID(int=self.random.getrandbits(128)), stream_id, version, self.random.choice([1, 1, 2, 5]))

    def _way(self, nth: int) -> Way:
        special: dict[tuple[int, int], Way] = {
            (STALLING_WRITER, 0): self._stalling,
            (STOPPED_WRITER, STOPPED_AT): self._being_stopped,
        }
        ways: list[Way] = [self.log.append, self._slowly, self._in_vain]
        return special.get((self.number, nth)) or self.random.choices(ways, [80, 10, 10])[0]

    def _slowly(self, connection: Connection, command: Command) -> bool:
        with connection.transaction():
            self._stall(connection)
            is_recorded = self.log.append(connection, command)
            self._stall(connection)
        return is_recorded

    def _in_vain(self, connection: Connection, command: Command) -> bool:
        with connection.transaction(force_rollback=True):
            self.log.append(connection, command)
            self._stall(connection)
        return False

    def _stall(self, connection: Connection) -> None:
        connection.execute("SELECT pg_sleep(%s)", (self.random.uniform(0, 0.004),))

    def _stalling(self, connection: Connection, command: Command) -> bool:
        """Hold the transaction open until that has led, or cannot lead, a follower past its event."""
        with connection.transaction(), self.log.connect() as observer:
            is_recorded = self.log.append(connection, command)
            position = next(e.position for e in self.log.read_after(connection, 0, 10**9) if e.command_id == command.id)
            self.stage.stall_has_begun.set()
            eventually(
                lambda: max(self.stage.progress[:]) > position or _somebody_waits_for(connection, observer),
                "a follower that reads past, or a writer that waits",
            )
        self.stage.stall_is_over.set()
        return is_recorded

    def _being_stopped(self, connection: Connection, command: Command) -> bool:
        """Send the append and, before its answer is read, be stopped until somebody sends SIGCONT; but only once."""
        if not self.stage.stopped_process.value:
            self._send_and_be_stopped(connection, command)
        return self.log.append(connection, command)

    def _send_and_be_stopped(self, connection: Connection, command: Command) -> None:
        statement = ClientCursor(connection).mogrify(*self.log.append_statement(command))
        connection.pgconn.send_query(statement.encode())
        while connection.pgconn.flush():
            pass
        self.stage.stopped_process.value = os.getpid()
        os.kill(os.getpid(), signal.SIGSTOP)
        while connection.pgconn.get_result():
            pass


def _somebody_waits_for(connection: Connection, observer: Connection) -> bool:
    statement = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)))"
    row = observer.execute(statement, (connection.info.backend_pid,)).fetchone()
    return row is not None and row[0]
