"""A rebuild under load, and one that is killed half-way, of a log that is long enough for several processes."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.laboratory import laboratory
from benchmarks.scale import QUICK
from benchmarks.suites import rebuild_under_load
from infrastructure.projections.rebuild.filling import PARALLEL_FROM

USERS = 10_100
TINY = msgspec.structs.replace(QUICK, residents=64, sizes=(USERS, USERS))


@pytest.mark.long
def test_nobody_notices_a_rebuild_nor_that_it_was_killed_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "home"))

    with laboratory(TINY, lambda _: None) as lab:
        measured = rebuild_under_load.measure(lab, per_second=50)

    undisturbed, killed = measured.details["runs"]
    assert measured.details["events_in_log"] > PARALLEL_FROM
    assert [run["failed_requests"] for run in (undisturbed, killed)] == [0, 0]
    assert [run["rows_that_differ"] for run in (undisturbed, killed)] == [0, 0]
    assert all(run["requests"] > run["requests_meanwhile"] > 0 for run in (undisturbed, killed))
    assert killed["killed_at_events"] > measured.details["events_in_log"] // 2
