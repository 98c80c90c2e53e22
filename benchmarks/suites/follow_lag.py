"""`follow_lag`: how long after it was recorded an event shows in the read models, under a full load of commands."""

import psycopg

from application.read_models import READ_MODELS
from benchmarks.command_load import CommandRun, counts, send_commands
from benchmarks.figures import Figure, below, figure, none_of
from benchmarks.lag_watch import LagWatch
from benchmarks.laboratory import Laboratory, wait_until_followed
from benchmarks.latencies import Latencies, latencies, of_rounds
from benchmarks.processes import running_api, running_worker


def measure(lab: Laboratory) -> Figure:
    """One API process and one worker; the slower of the read models counts."""
    town = lab.residents()
    environment = lab.environment(town.conninfo)
    runs: list[CommandRun] = []
    lags: dict[str, list[Latencies]] = {name: [] for name in READ_MODELS}
    with running_worker(environment, lab.folder), running_api(environment, lab.folder) as api:
        for _ in range(lab.scale.rounds):
            wait_until_followed(town.conninfo)
            watch = LagWatch(town.conninfo)
            after = _head(town.conninfo)
            with watch.watching():
                runs.append(send_commands(lab, api, town))
                upto = _head(town.conninfo)
                wait_until_followed(town.conninfo)
            for model, measured in lags.items():
                measured.append(latencies(watch.lags(model, after, upto)))
    by_model = {model: of_rounds(measured) for model, measured in lags.items()}
    return figure(
        "follow_lag",
        below("p50", max(lag.p50 for lag in by_model.values()), 20, "ms"),
        below("p99", max(lag.p99 for lag in by_model.values()), 100, "ms"),
        none_of("errors", sum(run.faults for run in runs)),
        milliseconds=by_model,
        commands_per_second=[round(run.load.per_second) for run in runs],
        **counts(runs),
    )


def _head(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute('SELECT "position" FROM log.head').fetchone()
    return row[0] if row else 0
