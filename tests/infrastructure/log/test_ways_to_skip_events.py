"""How followers of other event stores came to skip events, stall or go back: one test for each way.

Those that are about projection workers are in `test_workers_in_trouble`, whose first lines name them.
"""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from application.history.timeline import USER_TIMELINE
from infrastructure.log.reader import Connection, Wanted, read_range
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.rebuild.as_of import position_at
from tests.support.appending import Command, append
from tests.support.read_models import head_of
from tests.support.running import projector
from tests.support.waiting import eventually


def something() -> Command:
    return Command((uuid.uuid4(), 1))


@pytest.fixture
def writer(database: str) -> Iterator[Connection]:
    with psycopg.connect(in_role(database, APP_ROLE), autocommit=True) as connection:
        yield connection


def visible(connection: Connection) -> list[int]:
    rows = connection.execute('SELECT "position" FROM log.event ORDER BY "position"').fetchall()
    return [position for (position,) in rows]


def is_waiting_for_a_lock(connection: Connection, process: int) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    return connection.execute(query, (process,)).rowcount > 0


class Appending(threading.Thread):
    """A writer who appends once, and may have to wait."""

    def __init__(self, conninfo: str) -> None:
        super().__init__()
        self.connection: Connection = psycopg.connect(in_role(conninfo, APP_ROLE), autocommit=True)
        self.outcome: list[tuple[str, int | None]] = []

    def run(self) -> None:
        with self.connection:
            self.outcome = append(self.connection, something())


def test_a_slow_transaction_cannot_commit_a_lower_position_after_a_reader_has_passed_it(database: str) -> None:
    """A sequence gives numbers out in one order, and transactions commit in another."""
    with psycopg.connect(in_role(database, APP_ROLE)) as slow, psycopg.connect(database, autocommit=True) as reader:
        append(slow, something())
        quick = Appending(database)
        process = quick.connection.info.backend_pid
        quick.start()
        eventually(lambda: is_waiting_for_a_lock(reader, process), "the quick one to wait for the slow one")
        while_both_are_at_it = visible(reader)

        slow.commit()
        quick.join()

        assert while_both_are_at_it == []
        assert quick.outcome == [("appended", 2)]
        assert visible(reader) == [1, 2]


def test_events_of_one_instant_have_one_order_and_instants_never_go_back(database: str, writer: Connection) -> None:
    """A position made from the time of the transaction's begin orders neither."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE log.head SET recorded_at = '2999-01-01Z'")  # As if the clock had been set back since.

    append(writer, something(), something())
    append(writer, something())

    rows = writer.execute('SELECT "position", recorded_at FROM log.event ORDER BY "position"').fetchall()
    assert rows == [(position, datetime(2999, 1, 1, tzinfo=UTC)) for position in (1, 2, 3)]
    assert position_at(writer, datetime(2999, 1, 1, tzinfo=UTC)) == 3


def test_there_is_no_gap_to_wait_for_or_to_give_up_on(database: str, writer: Connection) -> None:
    with psycopg.connect(database, autocommit=True) as reader:
        append(writer, something())
        append(writer, Command((uuid.uuid4(), 7)))  # refused
        with writer.transaction(force_rollback=True):
            append(writer, something())
        append(writer, something())

        assert visible(reader) == [1, 2]


def test_a_writer_that_dies_over_an_append_stalls_nobody_and_burns_no_number(database: str, writer: Connection) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        dying = psycopg.connect(in_role(database, APP_ROLE))
        append(dying, something())
        owner.execute("SELECT pg_terminate_backend(%s)", (dying.info.backend_pid,))

        outcome = append(writer, something())

        dying.close()
        assert outcome == [("appended", 1)]


def test_a_follower_that_looks_for_few_facts_goes_on_past_all_others(history: str) -> None:
    """In the log's reader, and in a read model (`test_a_follower_moves_on_past_events_that_do_not_concern_it`)."""
    with projector(history) as connection:
        live = ensure_live(connection, USER_TIMELINE)
        nothing = read_range(connection, 0, head_of(history), Wanted(topics=["no.such_topic"]))
        progress = follow_batch(connection, USER_TIMELINE, live.generation, 10**6)

    assert nothing == []
    assert progress is not None
    assert progress.is_at_head


def test_every_snapshot_shows_the_beginning_of_the_log_and_nothing_else(database: str) -> None:
    """Whether it is that of a replica or of a long transaction: no two of them show two facts in different orders."""
    stop = threading.Event()
    broken: list[Any] = []

    def read() -> None:
        with psycopg.connect(database) as connection:
            last = 0
            while not stop.is_set():
                with connection.transaction():
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    head = connection.execute('SELECT "position" FROM log.head').fetchone() or (0,)
                    seen = visible(connection)
                if seen != list(range(1, head[0] + 1)) or len(seen) < last:
                    broken.append(seen)
                last = len(seen)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=append_often, args=(database,)) for _ in range(4)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()

    assert broken == []
    assert head_of(database) == 4 * 40


def append_often(conninfo: str) -> None:
    with psycopg.connect(in_role(conninfo, APP_ROLE), autocommit=True) as connection:
        for _ in range(40):
            append(connection, something())
