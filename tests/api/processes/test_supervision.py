"""Processes that keep ending: once all have worked, none of them stops the others."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from api.cli.failures import Failure
from api.processes import supervision as supervising
from api.processes.supervision import FAILING_FROM, Child, Supervisor, supervision

DEATHS = 7


class Reports:
    """What is reported of the processes, until something has been reported often enough."""

    def __init__(self) -> None:
        self.restarts: list[int] = []
        self.failures: list[float] = []
        self.enough = asyncio.Event()

    def restarted(self, _: Child, code: int) -> None:
        self.restarts.append(code)
        if len(self.restarts) >= DEATHS:
            self.enough.set()

    def failing(self, _: Child, __: int, pause: float) -> None:
        self.failures.append(pause)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that seven deaths take a second and not half a minute."""
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(supervising, "LONGEST_PAUSE_SECONDS", 0.01)


def mortal(logs: Path) -> Child:
    """A process that ends at once: there is no such command."""
    return Child("mortal", ["no-such-command"], logs, os.environ)


async def supervised(reports: Reports, begin: Callable[[Supervisor], None], child: Child) -> None:
    async with supervision(reports.restarted, reports.failing) as supervisor:
        begin(supervisor)
        await supervisor.keep(child)
        await supervisor.until(reports.enough.wait())


def everything_has_worked(supervisor: Supervisor) -> None:
    supervisor.is_steady = True


async def test_a_process_that_keeps_ending_is_restarted_for_ever_and_reported_each_time(tmp_path: Path) -> None:
    reports = Reports()

    await supervised(reports, everything_has_worked, mortal(tmp_path))

    assert reports.restarts == [2] * DEATHS
    assert len(reports.failures) == DEATHS - FAILING_FROM + 1
    assert reports.failures == sorted(reports.failures)
    assert reports.failures[-1] == supervising.LONGEST_PAUSE_SECONDS


async def test_a_process_that_ends_before_all_have_worked_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="mortal ended with 2"):
        await supervised(Reports(), lambda _: None, mortal(tmp_path))


async def test_a_process_that_cannot_be_started_for_now_is_tried_again(tmp_path: Path) -> None:
    """A directory is in the place of its log, until it is reported as failing."""
    reports, child = Reports(), mortal(tmp_path)

    def make_way(failing: Child, code: int, pause: float) -> None:
        reports.failing(failing, code, pause)
        if failing.log.is_dir():
            failing.log.rmdir()

    async with supervision(reports.restarted, make_way) as supervisor:
        everything_has_worked(supervisor)
        await supervisor.keep(child)
        child.log.unlink()
        child.log.mkdir()
        await supervisor.until(reports.enough.wait())

    assert len(reports.failures) > DEATHS - FAILING_FROM + 1  # Those that came to nothing are no restarts.
