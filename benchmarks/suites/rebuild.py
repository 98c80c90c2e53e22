"""`rebuild`: the directory made again from the whole log, against the library's runner."""

from collections.abc import Callable
from functools import cache, partial
from statistics import median

import msgspec

from application.users.directory import USER_DIRECTORY
from benchmarks import library_runner
from benchmarks.figures import Figure, at_least, at_most, below, figure
from benchmarks.laboratory import Laboratory, Town
from benchmarks.population import CHANGES
from benchmarks.rebuild_process import Rebuild, rebuild
from benchmarks.rounds import in_turn, ratio

EVENTS_OF_USER = 1 + len(CHANGES)
"""Facts about one user that the directory reads; claims pass it by."""
MEMORY_MEGABYTES = 2_000
"""What we take "bounded" to mean: the same for any length of the log."""
LARGE = 10_000_000
LIBRARY = 0
"""The side of the library's runner, among the sides of so many users."""


class Rebuilds(msgspec.Struct, frozen=True):
    """Rebuilds of the growing logs, and the runner's times, round by round."""

    by_users: dict[int, list[Rebuild]]
    runner: list[Rebuild]
    hasty_runner: Rebuild
    """The same if it does not wait for the disk."""


def measure(lab: Laboratory) -> Figure:
    """Of the largest log, from the request to the switch."""
    users = lab.scale.sizes[-1]
    rebuilds = measured_rebuilds(lab)
    largest = rebuilds.by_users[users]
    rates = [folded_per_second(one) for one in largest]
    runner_rates = [folded_per_second(one) for one in rebuilds.runner]
    compared = ratio(rates, runner_rates)
    seconds = median(one.seconds for one in largest)
    conditions = [
        at_least("rebuild ÷ library's runner", compared.median, 150),
        at_least("events", round(median(rates)), 200_000, "1/s"),
        at_most("memory of all its processes", max(one.megabytes for one in largest), MEMORY_MEGABYTES, "MB"),
    ]
    if largest[0].events >= LARGE:
        conditions.append(below(f"seconds for {largest[0].events:,} events", round(seconds, 1), 60, "s"))
    return figure(
        "rebuild",
        *conditions,
        rounds=compared,
        events_in_log=largest[0].events,
        events_folded=EVENTS_OF_USER * users,
        rows=largest[0].rows,
        seconds=[round(one.seconds, 2) for one in largest],
        megabytes=[one.megabytes for one in largest],
        runner_events_per_second=[round(rate) for rate in runner_rates],
        runner_events_per_second_without_waiting_for_disk=round(folded_per_second(rebuilds.hasty_runner)),
    )


def folded_per_second(one: Rebuild) -> float:
    """Facts that went into rows, per second."""
    return EVENTS_OF_USER * one.rows / one.seconds


@cache
def measured_rebuilds(lab: Laboratory) -> Rebuilds:
    """Measured once: growth is made of the same ones."""
    towns = {users: lab.grown(users) for users in lab.scale.sizes}
    little = lab.filled("runner", max(10, lab.scale.runner_events // EVENTS_OF_USER))
    sides: dict[int, Callable[[], Rebuild]] = {
        users: partial(rebuild, town.conninfo, USER_DIRECTORY.name, lab.settings.home) for users, town in towns.items()
    }
    sides[LIBRARY] = partial(_run_library, little, durable=True)
    rounds = in_turn(sides, lab.scale.rounds)
    return Rebuilds(
        by_users={users: rounds[users] for users in towns},
        runner=rounds[LIBRARY],
        hasty_runner=_run_library(little, durable=False),
    )


def _run_library(town: Town, *, durable: bool) -> Rebuild:
    seconds = library_runner.run(town.conninfo, town.population.events, durable=durable)
    return Rebuild(seconds=seconds, events=town.population.events, rows=town.population.users)
