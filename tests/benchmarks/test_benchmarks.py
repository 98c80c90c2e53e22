"""A run of the benchmarks, as small as can be: nothing here depends on how fast anything is."""

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.console import Console

from benchmarks.__main__ import main, run
from benchmarks.catalogue import SUITES
from benchmarks.figures import at_least, at_most, figure, none_of
from benchmarks.growth_plot import Curve, plot
from benchmarks.scale import QUICK

TINY = msgspec.structs.replace(QUICK, rounds=2, residents=64, in_process_seconds=0.2)
MEASURED = ("in_process_commands",)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The JSON of a tiny run of the figure that takes least."""
    folder = tmp_path_factory.mktemp("benchmarks")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REPRISE_HOME", str(folder / "home"))
        nobody = Console(file=io.StringIO())
        assert run(TINY, MEASURED, folder / "figures.json", nobody, nobody) == 0
    assert not list((folder / "home").iterdir()), "something was left behind"
    found: list[dict[str, Any]] = msgspec.json.decode((folder / "figures.json").read_bytes())
    return found


def test_there_is_one_object_for_each_figure(rows: list[dict[str, Any]]) -> None:
    assert [row["name"] for row in rows] == list(MEASURED)
    for row in rows:
        assert isinstance(row["value"], int | float)
        assert isinstance(row["unit"], str)
        assert row["goal"]
        assert row["met"] is all(condition["met"] for condition in row["conditions"])


def test_the_log_has_what_was_acknowledged(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["details"]["acknowledged_events"] == row["details"]["recorded_events"] > 0
        assert row["details"]["acknowledged_events_of_stock"] == row["details"]["recorded_events_of_stock"] > 0
        assert [c["value"] for c in row["conditions"] if c["name"] == "errors"] == [0]


def test_every_object_says_on_what_it_was_measured(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["run"]["postgresql"]["fsync"] == "on"
        assert row["run"]["postgresql"]["synchronous_commit"] == "on"
        assert row["run"]["machine"]["cores"] > 0


def test_a_figure_is_met_if_all_its_conditions_are() -> None:
    met = figure("this", at_least("ratio", 0.7, 0.6), none_of("errors", 0))
    missed = figure("that", at_least("ratio", 0.7, 0.6), at_most("memory", 300, 200, "MB"))

    assert (met.met, met.value, met.goal) == (True, 0.7, "ratio ≥ 0.6, errors 0")
    assert (missed.met, missed.goal) == (False, "ratio ≥ 0.6, memory ≤ 200 MB")


def test_an_unknown_name_is_refused_and_the_known_ones_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--only", "replay,sing_along"])

    said = capsys.readouterr().err
    assert refused.value.code == 2
    assert "sing_along" in said
    assert all(name in said for name in SUITES)


def test_the_plot_is_well_formed_and_names_each_curve(tmp_path: Path) -> None:
    curves = [Curve(name, {10_000: 100.0, 1_000_000: 90.0 + 10 * n}) for n, name in enumerate(("a & b", "c", "d", "e"))]
    drawn = tmp_path / "plot.svg"
    drawn.write_text(plot(curves, 1.3), encoding="utf-8")

    document = ET.parse(drawn)  # noqa: S314 - it is ours
    texts = [element.text for element in document.iter("{http://www.w3.org/2000/svg}text")]

    assert {"a & b", "c", "d", "e", "10,000", "1,000,000"} <= set(texts)
