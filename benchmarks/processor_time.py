"""What processes take of the processor, by what they are there for.

Unlike rates and latencies, it hardly depends on what else the host is up to.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import psutil  # type: ignore[import-untyped]

Spent = Mapping[str, float]
"""Seconds of processor time, by part of the system."""


class Parts:
    """The parts of a system that is measured: a process each, with all that it starts."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = dict(processes)

    def spent(self) -> Spent:
        """What each part has taken since it was started."""
        return {name: seconds_of_family(process_id) for name, process_id in self._processes.items()}


def seconds_of_family(process_id: int) -> float:
    """What a process and all that it has started have taken, those that have ended included."""
    return sum(_seconds(process) for process in _family(process_id))


def difference(before: Spent, after: Spent) -> dict[str, float]:
    """What was taken between two looks."""
    return {name: after[name] - before[name] for name in after}


def microseconds_each(spent: Spent, count: int) -> dict[str, float]:
    """What each of so many took, with the sum of all parts."""
    each = {name: round(seconds * 1e6 / count, 1) for name, seconds in spent.items()}
    return {**each, "all": round(sum(spent.values()) * 1e6 / count, 1)}


def _family(process_id: int) -> Iterator[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        yield from [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        # Of its children, these are only those that have ended, and whose end it has noticed.
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
