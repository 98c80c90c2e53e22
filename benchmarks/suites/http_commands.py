"""`http_commands`: commands over HTTP, against the same requests to a route that does nothing."""

from benchmarks.command_load import CONNECTIONS, CommandRun, counts, send_commands, send_no_ops
from benchmarks.figures import Figure, at_least, below, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.latencies import of_rounds
from benchmarks.load_generator import LoadResult
from benchmarks.processes import Api
from benchmarks.rounds import in_turn, ratio


def measure(lab: Laboratory) -> Figure:
    """One API process and one worker, which follows."""
    town = lab.residents()
    commands: list[CommandRun] = []

    def no_op(api: Api) -> LoadResult:
        # What the worker still has to do is not the no-op's cost.
        wait_until_followed(town)
        return send_no_ops(lab, api, town)

    with lab.worker(town), lab.api(town) as api:
        loads = in_turn(
            {"commands": lambda: _commands(lab, api, town, commands), "no_op": lambda: no_op(api)}, lab.scale.rounds
        )
    compared = ratio([load.per_second for load in loads["commands"]], [load.per_second for load in loads["no_op"]])
    times = of_rounds([load.milliseconds for load in loads["commands"]])
    return figure(
        "http_commands",
        at_least("commands ÷ no-op POSTs", compared.median, 0.60),
        below("p99", times.p99, 25, "ms"),
        none_of("errors", sum(run.faults for run in commands) + sum(load.errors for load in loads["no_op"])),
        rounds=compared,
        commands_per_second=[round(load.per_second) for load in loads["commands"]],
        no_ops_per_second=[round(load.per_second) for load in loads["no_op"]],
        milliseconds=times,
        milliseconds_of_no_op=of_rounds([load.milliseconds for load in loads["no_op"]]),
        connections=CONNECTIONS,
        first_error=next((load.first_error for side in loads.values() for load in side if load.first_error), None),
        generator_share_of_a_core=_share([load for side in loads.values() for load in side]),
        **counts(commands),
    )


def _commands(lab: Laboratory, api: Api, town: Town, runs: list[CommandRun]) -> LoadResult:
    run = send_commands(lab, api, town)
    runs.append(run)
    return run.load


def _share(loads: list[LoadResult]) -> float:
    return round(max(load.processor_seconds / load.seconds for load in loads), 3)
