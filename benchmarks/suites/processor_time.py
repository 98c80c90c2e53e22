"""`processor_time`: what a durable command takes of the processor in the whole system, in units of a no-op's."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg

from benchmarks.command_load import CommandRun, counts, send_commands, send_no_ops
from benchmarks.figures import Figure, at_most, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.load_generator import LoadResult
from benchmarks.processes import Api
from benchmarks.processor_time import Parts, difference, microseconds_each
from benchmarks.rounds import in_turn, ratio
from benchmarks.verdicts import LEAST_ROUNDS, over_rounds

GOAL = 4.0
"""No-ops: what a command may take in the API, the database, the followers and the sealer together."""
LOOK_SECONDS = 0.05
_IS_SEALED = 'SELECT s.size >= h."position" FROM audit.sealed s, log.head h'


class Round(msgspec.Struct, frozen=True):
    """One load, and what each of its requests took, in microseconds by part of the system."""

    load: LoadResult
    microseconds: dict[str, float]


def measure(lab: Laboratory) -> Figure:
    """One API process, one worker that follows and one that seals; what each round leaves to do counts with it."""
    town = lab.residents()
    commands: list[CommandRun] = []
    with lab.followers(town) as followers, lab.sealer(town) as sealer, lab.api(town) as api:
        parts = Parts({"api": api.pid, "postgresql": lab.server.pid, "followers": followers.pid, "sealer": sealer.pid})
        sides: dict[str, Callable[[], Round]] = {
            "no_op": lambda: _round(town, parts, lambda: send_no_ops(lab, api, town)),
            "commands": lambda: _round(town, parts, lambda: _commands(lab, api, town, commands)),
        }
        rounds = in_turn(sides, max(LEAST_ROUNDS, lab.scale.rounds))
    of_no_op, of_command = ([one.microseconds["all"] for one in rounds[side]] for side in ("no_op", "commands"))
    ratios = [command / no_op for command, no_op in zip(of_command, of_no_op, strict=True)]
    return figure(
        "processor_time",
        over_rounds(at_most, "command ÷ no-op", ratios, GOAL),
        none_of("errors", sum(run.faults for run in commands) + sum(one.load.errors for one in rounds["no_op"])),
        rounds=ratio(of_command, of_no_op),
        microseconds_of_command=[one.microseconds for one in rounds["commands"]],
        microseconds_of_no_op=[one.microseconds for one in rounds["no_op"]],
        no_ops_by_part=_in_no_ops(rounds["commands"], of_no_op),
        commands_per_second=[round(one.load.per_second) for one in rounds["commands"]],
        **counts(commands),
    )


def _round(town: Town, parts: Parts, send: Callable[[], LoadResult]) -> Round:
    _settle(town)
    before = parts.spent()
    load = send()
    _settle(town)
    return Round(load, microseconds_each(difference(before, parts.spent()), load.answered))


def _commands(lab: Laboratory, api: Api, town: Town, runs: list[CommandRun]) -> LoadResult:
    runs.append(send_commands(lab, api, town))
    return runs[-1].load


def _settle(town: Town) -> None:
    """Wait until everything that was recorded is followed and sealed."""
    wait_until_followed(town)
    with psycopg.connect(town.conninfo, autocommit=True) as connection:
        while connection.execute(_IS_SEALED).fetchone() == (False,):
            time.sleep(LOOK_SECONDS)


def _in_no_ops(rounds: Sequence[Round], of_no_op: Sequence[float]) -> dict[str, Any]:
    """What a command takes in each part, as a multiple of what a no-op takes in all."""
    return {part: ratio([one.microseconds[part] for one in rounds], of_no_op).median for part in rounds[0].microseconds}
