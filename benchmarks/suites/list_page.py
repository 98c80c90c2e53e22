"""`list_page`: pages of 50 users of one country, from anywhere on, in a small and in a large directory."""

from contextlib import ExitStack

from benchmarks.figures import Figure, below, figure, none_of
from benchmarks.laboratory import Laboratory
from benchmarks.latencies import of_rounds
from benchmarks.reading_load import PAGE_SIZE, READERS, read_nothing, read_pages
from benchmarks.rounds import in_turn, ratio


def measure(lab: Laboratory) -> Figure:
    """One API process for each directory; only one of them has anything to do at a time."""
    sizes = (lab.scale.sizes[0], lab.scale.sizes[-1])
    small, large = (lab.grown(users) for users in sizes)
    with ExitStack() as running:
        few, many = (running.enter_context(lab.api(town)) for town in (small, large))
        loads = in_turn(
            {
                "small": lambda: read_pages(lab, few, small),
                "large": lambda: read_pages(lab, many, large),
                "no_op": lambda: read_nothing(lab, many, READERS),
            },
            lab.scale.rounds,
        )
    rates = {name: [load.per_second for load in side] for name, side in loads.items()}
    grown = ratio(rates["small"], rates["large"])
    times = of_rounds([load.milliseconds for load in loads["large"]])
    return figure(
        "list_page",
        below(f"p99 at {sizes[-1]:,} users", times.p99, 20, "ms"),
        below(f"cost ÷ that at {sizes[0]:,} users", grown.median, 1.3),
        none_of("errors", sum(load.errors for side in loads.values() for load in side)),
        rounds=grown,
        users=sizes,
        pages_per_second={name: [round(rate) for rate in rates[name]] for name in ("small", "large")},
        pages_per_no_op=ratio(rates["large"], rates["no_op"]),
        milliseconds={name: of_rounds([load.milliseconds for load in side]) for name, side in loads.items()},
        rows_on_a_page=PAGE_SIZE,
        connections=READERS,
    )
