"""The suites that send requests to a running API, as small as can be: every answer is as expected, whatever it took."""

import msgspec
import pytest

from benchmarks.figures import Figure
from benchmarks.laboratory import laboratory
from benchmarks.load_generator import ToolMissingError
from benchmarks.scale import QUICK
from benchmarks.suites import offered_load, processor_time

TINY = msgspec.structs.replace(QUICK, residents=400, warm_up_seconds=0.0, seconds=0.2, requests=120)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REPRISE_HOME", str(tmp_path_factory.mktemp("benchmarks") / "home"))
        try:
            with laboratory(TINY, lambda _: None) as lab:
                measured = [processor_time.measure(lab), offered_load.measure(lab)]
        except ToolMissingError as missing:
            pytest.skip(str(missing))
    return {one.name: one for one in measured}


@pytest.mark.long
def test_every_answer_is_as_expected(figures: dict[str, Figure]) -> None:
    for one in figures.values():
        assert [condition.value for condition in one.conditions if condition.name == "errors"] == [0]


@pytest.mark.long
def test_each_part_of_the_system_has_its_share_of_a_command(figures: dict[str, Figure]) -> None:
    details = figures["processor_time"].details

    assert details["acknowledged_commands"] == details["recorded_commands"] > 0
    for each in details["microseconds_of_command"]:
        assert set(each) == {"api", "postgresql", "followers", "sealer", "all"}
        assert each["all"] > 0


@pytest.mark.long
def test_everything_has_its_latencies_at_each_rate(figures: dict[str, Figure]) -> None:
    milliseconds = figures["offered_load"].details["milliseconds"]

    assert set(milliseconds) == set(offered_load.RATES)
    for by_kind in milliseconds.values():
        assert set(by_kind) == {"commands", "reads_by_id", "lists", "lists_of_own_writes", "follow_lag"}
        assert all(one.samples > 0 for one in by_kind.values())
