"""`idle`: what `make run` takes of the processor while nobody wants anything of it."""

import time

from benchmarks.figures import Figure, at_most, figure
from benchmarks.laboratory import Laboratory
from benchmarks.processes import running_everything
from benchmarks.processor_time import seconds_of_family
from benchmarks.verdicts import LEAST_ROUNDS, over_rounds

GOAL = 0.5
"""Percent of a core: database, API, worker, and who watches over them."""
LONGER = 10
"""Times the seconds of a load: what rest takes is little, and the system counts it in hundredths of a second."""
SETTLE_SECONDS = 15.0
"""Until what happens at a start, and some seconds after it, is over."""


def measure(lab: Laboratory) -> Figure:
    """The whole, as `make run` starts it, in a home of its own."""
    seconds = lab.scale.seconds * LONGER
    with running_everything(lab.folder) as everything:
        time.sleep(SETTLE_SECONDS)
        shares = [_share(everything.pid, seconds) for _ in range(max(LEAST_ROUNDS, lab.scale.rounds))]
    return figure(
        "idle",
        over_rounds(at_most, "of a core", shares, GOAL, "%"),
        percent_of_a_core=shares,
        seconds_of_each_round=seconds,
    )


def _share(process_id: int, seconds: float) -> float:
    """Percent of a core that a process and all that it has started take."""
    begin, before = time.monotonic(), seconds_of_family(process_id)
    time.sleep(seconds)
    return round(100 * (seconds_of_family(process_id) - before) / (time.monotonic() - begin), 3)
