"""A rebuild that was killed goes on with what it has not done yet; nothing is written twice."""

import multiprocessing
import os
import signal
from typing import Any

import psycopg
import pytest

from application.history.timeline import USER_TIMELINE
from application.projections.definition import Projection
from application.read_models import READ_MODELS
from application.users.directory import USER_DIRECTORY
from infrastructure.encryption.keychain import grant, granted
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.generations import add_generation, generations
from infrastructure.projections.rebuild import parts as sizes
from infrastructure.projections.rebuild.filling import fill_part
from infrastructure.projections.rebuild.parts import Part, PartIsFilledError, parts, plan, planned
from infrastructure.projections.rebuild.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.projections.rebuild.rebuilding import RebuildProgress, rebuild
from infrastructure.projections.verify.verifying import check_tally
from infrastructure.settings import Settings
from tests.support.read_models import head_of, replayed_rows, rows_of
from tests.support.running import follow_to_head, projector
from tests.support.waiting import eventually
from tests.support.workers_in_trouble import cut_all_connections

MODELS = list(READ_MODELS.values())
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there are several."""
    monkeypatch.setattr(sizes, "EVENTS_PER_PART", 60)
    monkeypatch.setattr(sizes, "EVENTS_PER_RANGE", 60)


class Told:
    """What a rebuild tells of its progress, until it is interrupted."""

    def __init__(self, interrupted_at: int | None = None, phase: str = "fill") -> None:
        self.progress: list[RebuildProgress] = []
        self._interrupted_at = interrupted_at
        self._phase = phase

    def __call__(self, progress: RebuildProgress) -> None:
        self.progress.append(progress)
        at = self._interrupted_at
        if at is not None and progress.phase == self._phase and progress.events_done >= at:
            raise KeyboardInterrupt

    @property
    def phases(self) -> list[str]:
        return list(dict.fromkeys(progress.phase for progress in self.progress))


def filled_parts(conninfo: str, model: Projection[Any]) -> list[Part]:
    with projector(conninfo) as connection:
        (building,) = [g.generation for g in generations(connection) if g.name == model.name and g.state == "building"]
        return [part for part in planned(connection, model.name, building) if part.rows is not None]


@every_model
def test_a_rebuild_goes_on_with_the_parts_that_are_not_filled(history: str, model: Projection[Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        rebuild(as_projector(history), model, Told(interrupted_at=head_of(history) // 2))
    before = filled_parts(history, model)
    told = Told()

    rebuilt = rebuild(as_projector(history), model, told)

    with projector(history) as connection:
        assert 0 < len(before) < len(parts(connection, model, head_of(history), 1))
    assert next(p.events_done for p in told.progress if p.events_done) >= head_of(history) // 4
    assert told.progress[-1].events_done == rebuilt.events == head_of(history)
    assert rebuilt.rows == len(rows_of(history, model))
    assert sorted(rows_of(history, model)) == replayed_rows(history, model)
    with projector(history) as connection:
        assert check_tally(connection, model, rebuilt.generation).differing == 0


@every_model
def test_a_rebuild_that_was_interrupted_after_the_filling_only_catches_up(history: str, model: Projection[Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        rebuild(as_projector(history), model, Told(interrupted_at=0, phase="verify"))
    told = Told()

    rebuilt = rebuild(as_projector(history), model, told)

    assert told.phases == ["catch_up", "verify"]
    assert rebuilt.rows == len(rows_of(history, model))
    assert sorted(rows_of(history, model)) == replayed_rows(history, model)


@every_model
def test_a_part_is_filled_once_whoever_comes_late(history: str, model: Projection[Any]) -> None:
    """As a process of a killed rebuild does that has not noticed yet."""
    with projector(history) as connection:
        pieces = parts(connection, model, head_of(history), 1)
        generation = add_generation(connection, model, "building")
        plan(connection, model.name, generation, pieces)
    for part in pieces:
        fill_part(as_projector(history), model, generation, part, lambda _: None)

    with pytest.raises(PartIsFilledError):
        fill_part(as_projector(history), model, generation, pieces[0], lambda _: None)

    assert sorted(rows_of(history, model, generation)) == replayed_rows(history, model)


def test_what_another_definition_has_left_is_thrown_away(history: str) -> None:
    with projector(history) as connection, connection.transaction():
        left = add_generation(connection, USER_DIRECTORY, "building")
        plan(connection, USER_DIRECTORY.name, left, parts(connection, USER_DIRECTORY, head_of(history), 1))
        connection.execute("UPDATE projection.generation SET fingerprint = 'another'")

    rebuilt = rebuild(as_projector(history), USER_DIRECTORY)

    assert rebuilt.generation > left
    with projector(history) as connection:
        assert [g.state for g in generations(connection)] == ["live", "retired"]
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_a_rebuild_that_loses_the_database_is_gone_on_with_and_has_not_failed(history: str) -> None:
    def cut(progress: RebuildProgress) -> None:
        if progress.events_done > head_of(history) // 2 and not cuts:
            cuts.append(progress.events_done)
            cut_all_connections(history)

    cuts: list[int] = []
    with projector(history) as connection:
        request_rebuild(connection, USER_TIMELINE.name, "test")

    with pytest.raises(psycopg.OperationalError):
        perform_rebuild(history, USER_TIMELINE.name, cut)
    assert filled_parts(history, USER_TIMELINE)

    eventually(lambda: perform_rebuild(history, USER_TIMELINE.name) is not None, "the lost lock to be free")
    with projector(history) as connection:
        assert connection.execute("SELECT state FROM projection.rebuild").fetchall() == [("succeeded",)]
    assert sorted(rows_of(history, USER_TIMELINE)) == replayed_rows(history, USER_TIMELINE)


def rebuild_until_half_way(grants: tuple[Settings, ...], conninfo: str, name: str, reached: Any) -> None:
    """In a process of its own: says when it is half-way, and stands still."""
    for settings in grants:
        grant(settings)
    sizes.EVENTS_PER_PART = sizes.EVENTS_PER_RANGE = 60

    def stand_still(progress: RebuildProgress) -> None:
        if progress.events_done > progress.events_total // 2:
            reached.set()
            signal.pause()

    perform_rebuild(conninfo, name, stand_still)


@every_model
def test_a_rebuild_that_was_killed_half_way_is_gone_on_with_by_the_next_worker(
    history: str, model: Projection[Any]
) -> None:
    follow_to_head(history)
    spawn = multiprocessing.get_context("spawn")
    reached = spawn.Event()
    with projector(history) as connection:
        request_rebuild(connection, model.name, "test")
    process = spawn.Process(target=rebuild_until_half_way, args=(granted(), history, model.name, reached))
    process.start()
    assert reached.wait(60)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert filled_parts(history, model)

    rebuilt = eventually(lambda: perform_rebuild(history, model.name), "the dead one's lock to be free")

    assert rebuilt is not None
    assert rebuilt.generation == 2
    assert sorted(rows_of(history, model)) == replayed_rows(history, model)
