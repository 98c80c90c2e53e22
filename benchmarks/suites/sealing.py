"""`sealing`: how soon an event is under a checkpoint under a full load of commands, and what that costs them."""

import time
from contextlib import ExitStack
from functools import partial

import psycopg

from benchmarks import in_process
from benchmarks.figures import Figure, at_least, below, figure, none_of
from benchmarks.in_process import CommandsRun
from benchmarks.laboratory import Laboratory, Town
from benchmarks.latencies import Latencies, latencies, of_rounds
from benchmarks.rounds import in_turn, ratio

LOOK_SECONDS = 0.05
_LAGS = """
SELECT extract(epoch FROM c.published_at - e.recorded_at)::float8 FROM log.event e LEFT JOIN LATERAL (
    SELECT published_at FROM audit.checkpoint WHERE size >= e."position" ORDER BY size LIMIT 1
) c ON true WHERE e."position" > %s AND e."position" <= %s
"""


def measure(lab: Laboratory) -> Figure:
    """The same commands without a sealer and with one, in turn; it runs in a process of its own, as it does always."""
    town = lab.filled("sealed", lab.scale.residents)
    lags: list[Latencies] = []
    sides = {side: partial(_run, lab, town, lags, sealed=side == "sealed") for side in ("alone", "sealed")}
    runs = in_turn(sides, lab.scale.rounds)
    rates = {side: [run.per_second for run in runs[side]] for side in runs}
    compared = ratio(rates["sealed"], rates["alone"])
    lag = of_rounds(lags)
    return figure(
        "sealing",
        at_least("commands with a sealer ÷ without", compared.median, 0.95),
        below("lag p99", lag.p99, 1_000, "ms"),
        below("longest lag", lag.max, 2_000, "ms"),
        none_of("errors", sum(run.events for side in runs.values() for run in side) - (town.events - _filled(town))),
        rounds=compared,
        lag_milliseconds=lag,
        commands_per_second={side: [round(rate) for rate in found] for side, found in rates.items()},
    )


def _run(lab: Laboratory, town: Town, lags: list[Latencies], *, sealed: bool) -> CommandsRun:
    users = [town.population.user_id(number) for number in range(town.population.users)]
    with ExitStack() as running:
        if sealed:
            running.enter_context(lab.sealer(town))
            _wait_until_sealed(town)
        after = town.head
        run = in_process.run(lab.settings, town.conninfo, users, seconds=lab.scale.in_process_seconds)
        if sealed:
            _wait_until_sealed(town)
            lags.append(latencies(_lags(town, after)))
    return run


def _wait_until_sealed(town: Town) -> None:
    with psycopg.connect(town.conninfo, autocommit=True) as connection:
        query = 'SELECT s.size >= h."position" FROM audit.sealed s, log.head h'
        while (connection.execute(query).fetchone() or (False,))[0] is False:
            time.sleep(LOOK_SECONDS)


def _lags(town: Town, after: int) -> list[float]:
    with psycopg.connect(town.conninfo, autocommit=True) as connection:
        return [lag for (lag,) in connection.execute(_LAGS, (after, town.head))]


def _filled(town: Town) -> int:
    return town.population.events
