"""`http_commands_two_workers`: what a second API process brings, on the same machine and the same database."""

from benchmarks.command_load import counts, send_commands
from benchmarks.figures import Figure, at_least, figure, none_of
from benchmarks.laboratory import Laboratory, wait_until_followed
from benchmarks.latencies import of_rounds
from benchmarks.processes import running_api, running_worker
from benchmarks.rounds import in_turn, ratio


def measure(lab: Laboratory) -> Figure:
    """Two APIs, of one process and of two; only one of them has anything to do at a time."""
    town = lab.residents()
    environment = lab.environment(town.conninfo)
    with (
        running_worker(environment, lab.folder),
        running_api(environment, lab.folder, workers=1) as one,
        running_api(environment, lab.folder, workers=2) as two,
    ):
        wait_until_followed(town.conninfo)
        runs = in_turn(
            {"one": lambda: send_commands(lab, one, town), "two": lambda: send_commands(lab, two, town)},
            lab.scale.rounds,
        )
        wait_until_followed(town.conninfo)
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
