"""`http_commands_two_workers`: what a second API process brings, on the same machine and the same database."""

from functools import partial

from benchmarks.command_load import CommandRun, counts, send_commands
from benchmarks.figures import Figure, at_least, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.latencies import of_rounds
from benchmarks.processes import Api
from benchmarks.rounds import in_turn, ratio


def measure(lab: Laboratory) -> Figure:
    """Two APIs, of one process and of two; only one of them has anything to do at a time."""
    town = lab.residents()
    with lab.worker(town), lab.api(town) as one, lab.api(town, processes=2) as two:
        runs = in_turn(
            {"one": partial(_send, lab, one, town, 0), "two": partial(_send, lab, two, town, 1)}, lab.scale.rounds
        )
    rates = {name: [run.load.per_second for run in side] for name, side in runs.items()}
    compared = ratio(rates["two"], rates["one"])
    all_runs = [run for side in runs.values() for run in side]
    return figure(
        "http_commands_two_workers",
        at_least("two processes ÷ one", compared.median, 1.25),
        none_of("errors", sum(run.faults for run in all_runs)),
        rounds=compared,
        commands_per_second={name: [round(rate) for rate in side] for name, side in rates.items()},
        milliseconds={name: of_rounds([run.load.milliseconds for run in side]) for name, side in runs.items()},
        first_error=next((run.load.first_error for run in all_runs if run.load.first_error), None),
        **counts(all_runs),
    )


def _send(lab: Laboratory, api: Api, town: Town, part: int) -> CommandRun:
    """Each side changes users of its own: what a process remembers of them is never made old by the other side."""
    # What the worker still has to do for the other side is not this side's cost.
    wait_until_followed(town)
    return send_commands(lab, api, town, part=part, parts=2)
