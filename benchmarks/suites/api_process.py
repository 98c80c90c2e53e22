"""`api_process`: the memory of one API process under load for a long time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.command_load import counts, send_commands
from benchmarks.figures import TIMES, Figure, at_most, below, figure, none_of
from benchmarks.laboratory import Laboratory
from benchmarks.processes import Api

LOOK_SECONDS = 0.5
FULL_SECONDS = 600.0
GROWTH = 1.02
"""From the fifth minute to the tenth: what a process that keeps nothing may seem to grow, as its allocator pleases."""


def measure(lab: Laboratory) -> Figure:
    """Commands without a pause; half of the time is for its caches to fill."""
    town = lab.unfollowed()
    with lab.api(town) as api:
        at_first = api.resident_megabytes()
        with _memory_of(api) as seen:
            run = send_commands(lab, api, town, seconds=lab.scale.soak_seconds)
        at_last = api.resident_megabytes()
    conditions = [below("memory after the run", at_last, 200, "MB")]
    middle = seen[len(seen) // 2 :]
    tenth = max(1, len(seen) // 10)
    growth = round(median(seen[-tenth:]) / median(middle[:tenth]), 4)
    if lab.scale.soak_seconds >= FULL_SECONDS:
        conditions.append(at_most("growth over the second half", growth, GROWTH, TIMES))
    return figure(
        "api_process",
        *conditions,
        none_of("errors", run.faults),
        seconds_of_load=lab.scale.soak_seconds,
        growth_over_the_second_half=growth,
        megabytes_before=at_first,
        megabytes={
            f"after {share} %": seen[min(len(seen) - 1, len(seen) * share // 100)] for share in range(0, 101, 10)
        },
        commands_per_second=round(run.load.per_second),
        milliseconds=run.load.milliseconds,
        **counts([run]),
    )


@contextmanager
def _memory_of(api: Api) -> Iterator[list[float]]:
    """The memory of the API, in megabytes, looked at now and then."""
    seen = [api.resident_megabytes()]
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_SECONDS):
            seen.append(api.resident_megabytes())

    thread = threading.Thread(target=look, name="memory-watch")
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
