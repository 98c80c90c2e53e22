"""`follow_lag`: how long after it was recorded an event shows in the read models, under a full load of commands."""

from application.read_models import READ_MODELS
from benchmarks.command_load import CommandRun, counts, send_commands
from benchmarks.figures import Figure, below, figure, none_of
from benchmarks.laboratory import Laboratory, wait_until_followed
from benchmarks.lag_watch import LagWatch
from benchmarks.latencies import Latencies, latencies, of_rounds


def measure(lab: Laboratory) -> Figure:
    """One API process and one worker; of the read models that hurry, the slowest counts."""
    town = lab.residents()
    runs: list[CommandRun] = []
    lags: dict[str, list[Latencies]] = {name: [] for name in READ_MODELS}
    with lab.worker(town), lab.api(town) as api:
        for _ in range(lab.scale.rounds):
            wait_until_followed(town)
            watch = LagWatch(town.conninfo)
            after = town.head
            with watch.watching():
                runs.append(send_commands(lab, api, town))
                upto = town.head
                wait_until_followed(town)
            for model, measured in lags.items():
                measured.append(latencies(watch.lags(model, after, upto)))
    by_model = {model: of_rounds(measured) for model, measured in lags.items()}
    hurrying = [lag for model, lag in by_model.items() if READ_MODELS[model].hurries]
    return figure(
        "follow_lag",
        below("p50", max(lag.p50 for lag in hurrying), 20, "ms"),
        below("p99", max(lag.p99 for lag in hurrying), 100, "ms"),
        none_of("errors", sum(run.faults for run in runs)),
        milliseconds=by_model,
        commands_per_second=[round(run.load.per_second) for run in runs],
        **counts(runs),
    )
