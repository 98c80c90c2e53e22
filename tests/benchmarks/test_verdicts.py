"""A verdict needs several rounds that agree; a figure has its spread, and the host's reference beside it."""

import io
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import msgspec
import pytest
from rich.console import Console

from benchmarks.figures import at_least, at_most, below, figure
from benchmarks.host import Host, Reference, reference
from benchmarks.latencies import latencies, of_rounds
from benchmarks.processor_time import difference, microseconds_each, seconds_of_family
from benchmarks.report import write_table
from benchmarks.verdicts import TooFewRoundsError, over_rounds

RUN = {
    "machine": dict.fromkeys(
        ("cores", "processor", "memory_gigabytes", "system", "file_system", "flush_milliseconds"), 1
    ),
    "postgresql": dict.fromkeys(("server_version", "fsync", "synchronous_commit"), 1),
    "versions": {"python": 1},
    "scale": "tiny",
    "commit": None,
    "at": "now",
}


@pytest.mark.parametrize(
    ("values", "met", "is_undecided"),
    [
        ([3.0, 3.5, 4.0], True, False),
        ([3.0, 3.5, 4.1], False, True),
        ([3.9, 4.5, 4.1], False, True),
        ([4.1, 4.2, 9.0], False, False),
    ],
)
def test_a_goal_is_met_or_missed_if_every_round_says_so(values: list[float], met: bool, is_undecided: bool) -> None:  # noqa: FBT001 - the answers
    condition = over_rounds(at_most, "ratio", values, 4.0)

    assert (condition.met, condition.is_undecided) == (met, is_undecided)
    assert (condition.value, condition.lowest, condition.highest) == (median(values), min(values), max(values))


@pytest.mark.parametrize(("judge", "on_the_line"), [(at_least, True), (at_most, True), (below, False)])
def test_a_round_on_the_line_counts_as_the_goal_says(judge: object, on_the_line: bool) -> None:  # noqa: FBT001 - the answer
    assert over_rounds(judge, "value", [4.0, 4.0, 4.0], 4.0).met is on_the_line  # type: ignore[arg-type]


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_fewer_than_three_rounds_are_no_verdict(rounds: int) -> None:
    with pytest.raises(TooFewRoundsError):
        over_rounds(at_most, "ratio", [1.0] * rounds, 4.0)


def test_quantiles_are_those_of_every_single_answer() -> None:
    found = latencies([number / 1000 for number in range(1, 1_001)])

    assert (found.p50, found.p95, found.p99, found.p999, found.max) == (501, 951, 991, 1_000, 1_000)


def test_over_rounds_quantiles_are_medians_and_the_longest_stays() -> None:
    rounds = [latencies([share / 1000] * 10) for share in (1, 2, 9)]

    assert (of_rounds(rounds).p999, of_rounds(rounds).max, of_rounds(rounds).samples) == (2, 9, 30)


def test_what_was_spent_is_shared_out_among_the_requests() -> None:
    spent = difference({"api": 1.0, "postgresql": 2.0}, {"api": 1.5, "postgresql": 2.25})

    assert microseconds_each(spent, 1_000) == {"api": 500.0, "postgresql": 250.0, "all": 750.0}


def test_what_a_child_took_stays_with_its_family_after_its_end() -> None:
    before = seconds_of_family(os.getpid())

    subprocess.run([sys.executable, "-c", "sum(n * n for n in range(2_000_000))"], check=True)

    assert seconds_of_family(os.getpid()) > before


def test_a_process_that_is_gone_took_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert seconds_of_family(process.pid) == 0.0


def test_the_reference_is_measured_and_leaves_nothing_behind(tmp_path: Path) -> None:
    found = reference(tmp_path)

    assert min(found.work, found.processor, found.flush) > 0
    assert not list(tmp_path.iterdir())


def test_the_table_has_spread_verdict_and_reference_in_the_row() -> None:
    here = Reference(work=12.5, processor=12.0, flush=0.25)
    undecided = figure("ratio", over_rounds(at_most, "command ÷ no-op", [3.0, 3.5, 4.5], 4.0))
    said = io.StringIO()

    write_table(Console(file=said, width=200), [msgspec.structs.replace(undecided, host=Host(here, here))], RUN)

    row = next(line for line in said.getvalue().splitlines() if line.startswith("ratio"))
    assert row.split("  ")[0] == "ratio"
    for cell in ("3.50", "3-4.50", "≤ 4", "?", "work 12.5-12.5 ms, flush 0.25-0.25 ms"):
        assert cell in row
