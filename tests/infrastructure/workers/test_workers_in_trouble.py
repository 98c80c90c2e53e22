"""Promise 2 for read models: whatever happens to workers, rows are those of a replay, each event folded once.

`REPRISE_KILLS=100 REPRISE_RESTARTS=5` make it as hard as the goal says. The ways in which others' followers
came to skip events, and the tests that would notice:

- numbers and instants that become visible out of order, gaps, dead writers, snapshots: `test_ways_to_skip_events`;
  all at once, and with the stock recorder, which does skip: `test_no_event_is_skipped`
- a writer that stands still: `test_a_writer_that_stands_still_in_an_append_stalls_no_follower`
- a follower that filters does not advance: `test_a_follower_moves_on_past_events_that_do_not_concern_it`
- a list of facts that is behind for some streams: `test_a_list_of_facts_ends_where_all_streams_are`
- OFFSET: `test_pages_go_through_everybody_once_whatever_is_written_meanwhile`
- a follower that stays dead: `test_a_follower_goes_on_after_the_database_went_away_and_came_back`
- two workers that both believe they own a model: `test_two_workers_never_fold_the_same_events` and
  `test_a_worker_that_was_frozen_past_its_time_changes_nothing_when_it_wakes_up`
- a rebuild that races the live worker: `test_a_rebuild_that_races_the_live_worker_loses_nothing`
"""

import os
import random
import signal
from pathlib import Path

import psycopg

from application.read_models import READ_MODELS
from application.users.directory import USER_DIRECTORY
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live, generations
from infrastructure.projections.rebuild.rebuilding import rebuild
from tests.support.own_server import own_server
from tests.support.read_models import head_of, replayed_rows, rows_of
from tests.support.running import projector, settings_in, worker
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tests.support.workers_in_trouble import (
    CONTEXT,
    cut_all_connections,
    follow_and_freeze,
    is_stopped,
    kill,
    rows_that_differ,
    somebody_writing,
    started,
    workers,
)

KILLS = int(os.environ.get("REPRISE_KILLS", "8"))
CUT_AT_EACH = 4
RESTARTS = int(os.environ.get("REPRISE_RESTARTS", "2"))
MODELS = list(READ_MODELS.values())


def checkpoints(conninfo: str) -> set[int]:
    with projector(conninfo) as connection:
        return {g.position for g in generations(connection) if g.state == "live"}


def wait_for_events(conninfo: str, count: int) -> None:
    goal = head_of(conninfo) + count
    eventually(lambda: head_of(conninfo) >= goal, "somebody to write")


def wait_for_rows(conninfo: str, events: int) -> None:
    """Until workers have folded so many events more than there are now."""
    goal = head_of(conninfo) + events
    eventually(lambda: min(checkpoints(conninfo), default=0) >= goal, "somebody to write and workers to follow")


def test_workers_killed_at_random_and_connections_cut_leave_the_rows_of_a_replay(database: str, home: Path) -> None:
    draw = random.Random(KILLS)
    with workers(home, database, 3) as running:
        with somebody_writing(home, database):
            for number in range(KILLS):
                wait_for_rows(database, draw.randint(20, 120))
                kill(running.pop(draw.randrange(len(running))))
                running.append(started(home, database))
                if number % CUT_AT_EACH == 0:
                    cut_all_connections(database)
        eventually(lambda: checkpoints(database) == {head_of(database)}, "the workers to come to the head")

    assert head_of(database) > 20 * KILLS
    assert {model.name: rows_that_differ(database, model) for model in MODELS} == {m.name: 0 for m in MODELS}
    assert sorted(rows_of(database, USER_DIRECTORY)) == replayed_rows(database, USER_DIRECTORY)


def test_a_database_that_is_stopped_without_a_word_again_and_again_leaves_the_rows_of_a_replay(
    tmp_path: Path, home: Path
) -> None:
    """One worker is frozen through every restart, and believes on waking up that it still holds what it held."""
    draw = random.Random(RESTARTS)
    with own_server(tmp_path / "postgres") as own, workers(home, own.conninfo, 3) as running:
        with somebody_writing(home, own.conninfo):
            for number in range(RESTARTS):
                wait_for_rows(own.conninfo, draw.randint(50, 200))
                frozen = running[number % len(running)].pid or 0
                os.kill(frozen, signal.SIGSTOP)
                own.restart(signal.SIGINT if number % 3 == 2 else signal.SIGQUIT)
                os.kill(frozen, signal.SIGCONT)
            wait_for_rows(own.conninfo, 100)
        eventually(lambda: checkpoints(own.conninfo) == {head_of(own.conninfo)}, "the workers to come to the head")

        assert {model.name: rows_that_differ(own.conninfo, model) for model in MODELS} == {m.name: 0 for m in MODELS}


def test_a_worker_that_was_frozen_past_its_time_changes_nothing_when_it_wakes_up(history: str, home: Path) -> None:
    outcome = CONTEXT.Queue()
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        frozen = CONTEXT.Process(target=follow_and_freeze, args=(home, history, outcome))
        frozen.start()
        eventually(lambda: is_stopped(frozen), "the worker to freeze")

        eventually(lambda: follow_batch(connection, USER_DIRECTORY, live.generation), "the lock to be taken from it")
        os.kill(frozen.pid or 0, signal.SIGCONT)
        said = outcome.get(timeout=PATIENCE_SECONDS)
        frozen.join()

    assert said == "IdleInTransactionSessionTimeout"
    assert checkpoints(history) == {head_of(history)}
    assert rows_that_differ(history, USER_DIRECTORY) == 0


def test_a_follower_goes_on_after_the_database_went_away_and_came_back(history: str, home: Path) -> None:
    with worker(settings_in(home), history):
        eventually(lambda: checkpoints(history) == {head_of(history)}, "the worker to come to the head")
        for _ in range(3):
            cut_all_connections(history)
            with somebody_writing(home, history):
                wait_for_events(history, 50)
            eventually(lambda: checkpoints(history) == {head_of(history)}, "the worker to go on")

    assert [rows_that_differ(history, model) for model in MODELS] == [0] * len(MODELS)


def test_a_rebuild_that_races_the_live_worker_loses_nothing(history: str, home: Path) -> None:
    with worker(settings_in(home), history), somebody_writing(home, history):
        for _ in range(3):
            rebuild(as_projector(history), USER_DIRECTORY)
    with worker(settings_in(home), history):
        eventually(lambda: checkpoints(history) == {head_of(history)}, "the worker to come to the head")

    assert rows_that_differ(history, USER_DIRECTORY) == 0


def test_a_writer_that_stands_still_in_an_append_stalls_no_follower(history: str) -> None:
    with projector(history) as connection, psycopg.connect(history) as writer:
        live = ensure_live(connection, USER_DIRECTORY)
        writer.execute("SELECT FROM log.head FOR UPDATE")

        progress = follow_batch(connection, USER_DIRECTORY, live.generation, 10**6)

    assert progress is not None
    assert progress.position == head_of(history)
