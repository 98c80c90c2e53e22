"""`growth`: what an append, a read, a page and a rebuild cost in a log of many users, compared with one of few."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median

import msgspec

from benchmarks.append_load import Writers, append
from benchmarks.figures import TIMES, Figure, at_most, figure, none_of
from benchmarks.growth_plot import Curve, write_plot
from benchmarks.laboratory import Laboratory, Town
from benchmarks.load_generator import LoadResult
from benchmarks.reading_load import read_pages, read_users, some_users
from benchmarks.rounds import in_turn
from benchmarks.suites.rebuild import folded_per_second, measured_rebuilds

GOAL = 1.3


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What one thing costs, in microseconds, by the number of users in the log; the median of several rounds."""

    name: str
    microseconds: dict[int, float]

    @property
    def growth(self) -> float:
        """The cost among the most users divided by that among the fewest."""
        costs = list(self.microseconds.values())
        return round(costs[-1] / costs[0], 3)


def measure(lab: Laboratory) -> Figure:
    """All sizes in turn."""
    towns = {users: lab.grown(users) for users in lab.scale.sizes}
    for town in towns.values():
        lab.warm(town)
    loads = _reads(lab, towns)
    reads, pages = _of_loads("read by id", loads["read"]), _of_loads("list page", loads["page"])
    rebuilds = _rebuilds(lab)
    appends = _appends(lab, towns)  # last, because they make the logs larger
    curves = (appends, reads, pages, rebuilds)
    if lab.scale.is_full:
        write_plot([Curve(one.name, one.microseconds) for one in curves], GOAL)
    smallest, largest = lab.scale.sizes[0], lab.scale.sizes[-1]
    as_many = Costs(name="", microseconds={smallest: reads.microseconds[smallest], **_costs(loads["read_as_many"])})
    return figure(
        "growth",
        at_most("append", appends.growth, GOAL, TIMES),
        at_most("read by id", reads.growth, GOAL, TIMES),
        at_most("rebuild per event", rebuilds.growth, GOAL, TIMES),
        none_of("errors", sum(load.errors for side in loads.values() for some in side.values() for load in some)),
        users=lab.scale.sizes,
        microseconds={one.name: one.microseconds for one in curves},
        growth={one.name: one.growth for one in curves},
        **{f"growth_of_reading_{smallest}_users_of_{largest}": as_many.growth},
    )


def _appends(lab: Laboratory, towns: Mapping[int, Town]) -> Costs:
    """From a checkpoint on: the first change of a page after one is written as the whole page.

    In a log of few users, that is soon over; in one of many it goes on, and belongs to the cost.
    """
    sides = {users: partial(append, Writers(town), lab.scale.changed_users) for users, town in towns.items()}
    lab.checkpoint()
    runs = in_turn(sides, lab.scale.append_rounds)
    costs = {users: 1e6 * sum(r.seconds for r in some) / sum(r.commands for r in some) for users, some in runs.items()}
    return Costs(name="append", microseconds={users: round(cost, 1) for users, cost in costs.items()})


def _reads(lab: Laboratory, towns: Mapping[int, Town]) -> dict[str, dict[int, list[LoadResult]]]:
    """Reads of anybody, reads of as many people among the most as there are among the fewest, and pages."""
    fewest, most = lab.scale.sizes[0], lab.scale.sizes[-1]
    sides: dict[tuple[str, int], Callable[[], LoadResult]] = {}
    with ExitStack() as running:
        for users, town in towns.items():
            api = running.enter_context(lab.api(town))
            sides["read", users] = partial(read_users, lab, api, some_users(town))
            sides["page", users] = partial(read_pages, lab, api, town)
            if users == most:
                sides["read_as_many", users] = partial(read_users, lab, api, some_users(town, fewest))
        loads = in_turn(sides, lab.scale.rounds)
    by_kind: dict[str, dict[int, list[LoadResult]]] = {}
    for (kind, users), some in loads.items():
        by_kind.setdefault(kind, {})[users] = some
    return by_kind


def _rebuilds(lab: Laboratory) -> Costs:
    rebuilds = measured_rebuilds(lab).by_users
    costs = {users: median(1e6 / folded_per_second(one) for one in some) for users, some in rebuilds.items()}
    return Costs(name="rebuild, per event", microseconds={users: round(cost, 3) for users, cost in costs.items()})


def _of_loads(name: str, loads: Mapping[int, Sequence[LoadResult]]) -> Costs:
    return Costs(name=name, microseconds=_costs(loads))


def _costs(loads: Mapping[int, Sequence[LoadResult]]) -> dict[int, float]:
    return {users: round(median(1e6 / load.per_second for load in some), 1) for users, some in loads.items()}
