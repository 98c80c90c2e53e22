"""`offered_load`: how long answers take while so many requests a second are due, whatever became of those before them.

As many commands as reads, and beside them somebody who asks for a list immediately after changing something in it.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from application.actors import Role
from application.read_models import READ_MODELS
from benchmarks.command_load import change, command_steps, headers
from benchmarks.figures import Figure, below, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.lag_watch import LagWatch
from benchmarks.latencies import Latencies, latencies, of_rounds
from benchmarks.load_generator import SUBJECT, LoadResult, Step
from benchmarks.processes import Api
from benchmarks.rounds import in_turn
from benchmarks.verdicts import LEAST_ROUNDS, over_rounds

RATES = (500, 1_000)
"""Commands a second, and as many reads."""
JUDGED = RATES[0]
OWN_PER_SECOND = 20
CONNECTIONS, OWN_CONNECTIONS = 64, 8
LONGER = 5
"""Times the seconds of a load that is not so sparse: enough for one request in a thousand to be several."""
COMMANDS_GOAL, LAG_GOAL = 10.0, 60.0
READS_FOR_EACH_LIST = 4
_LIST = "/v1/users?country=SE&limit=20"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one rate."""

    commands: LoadResult
    reads: LoadResult
    own: LoadResult
    lag: Latencies
    """Of the slowest of the read models that hurry."""

    @property
    def errors(self) -> int:
        """Requests that were not answered as they must be, or never sent."""
        return self.commands.errors + self.reads.errors + self.own.errors

    @property
    def milliseconds(self) -> dict[str, Latencies]:
        """How long everything took."""
        return {
            "commands": self.commands.milliseconds,
            "reads_by_id": self.reads.step("read").milliseconds,
            "lists": self.reads.step("list").milliseconds,
            "lists_of_own_writes": self.own.step("list").milliseconds,
            "follow_lag": self.lag,
        }


def measure(lab: Laboratory) -> Figure:
    """One API process and one worker, with both rates in turn."""
    town = lab.residents()
    with lab.worker(town), lab.api(town) as api:
        sides = {rate: partial(_round, lab, api, town, rate) for rate in RATES}
        rounds = in_turn(sides, max(LEAST_ROUNDS, lab.scale.rounds))
    judged = rounds[JUDGED]
    return figure(
        "offered_load",
        over_rounds(below, "commands p99", [one.commands.milliseconds.p99 for one in judged], COMMANDS_GOAL, "ms"),
        over_rounds(below, "follow lag p99", [one.lag.p99 for one in judged], LAG_GOAL, "ms"),
        none_of("errors", sum(one.errors for side in rounds.values() for one in side)),
        milliseconds={rate: _over(side) for rate, side in rounds.items()},
        p99_of_rounds={rate: _p99(side) for rate, side in rounds.items()},
        answered_per_second={rate: [round(one.commands.per_second) for one in side] for rate, side in rounds.items()},
        load="open loop: each request is sent when it is due, and how long it took counts from then",
    )


def _round(lab: Laboratory, api: Api, town: Town, rate: int) -> Round:
    wait_until_followed(town)
    watch, after = LagWatch(town.conninfo), town.head
    with watch.watching(), ThreadPoolExecutor(3) as sending:
        commands = sending.submit(_send_commands, lab, api, town, rate)
        reads = sending.submit(_send_reads, lab, api, town, rate)
        own = sending.submit(_send_own, lab, api, town)
        sent = Round(commands=commands.result(), reads=reads.result(), own=own.result(), lag=latencies([]))
        upto = town.head
        wait_until_followed(town)
    lags = [latencies(watch.lags(name, after, upto)) for name, model in READ_MODELS.items() if model.hurries]
    return msgspec.structs.replace(sent, lag=max(lags, key=lambda lag: lag.p99))


def _send_commands(lab: Laboratory, api: Api, town: Town, rate: int) -> LoadResult:
    subjects = town.subjects(lab.scale.residents, 0, 2)
    return lab.generator.at(rate).run(
        api.port,
        command_steps(lab.token(Role.SERVICE)),
        subjects,
        connections=CONNECTIONS,
        staggered=True,
        **_span(lab),
    )


def _send_reads(lab: Laboratory, api: Api, town: Town, rate: int) -> LoadResult:
    """Most of them of one user each, some of the directory; by somebody who has written nothing."""
    token = lab.token(Role.SERVICE, "reader")
    by_id = _read("read", f"/v1/users/{SUBJECT}", token, next_subject=True)
    reads = [*[by_id] * READS_FOR_EACH_LIST, _read("list", _LIST, token)]
    subjects = town.subjects(lab.scale.residents, 0, 2)
    return lab.generator.at(rate).run(api.port, reads, subjects, connections=CONNECTIONS, staggered=True, **_span(lab))


def _send_own(lab: Laboratory, api: Api, town: Town) -> LoadResult:
    """Changes by somebody else, and what they read immediately after."""
    token = lab.token(Role.SERVICE, "reader-of-own-writes")
    run = "own"
    writing = Step(
        name="change",
        status=200,
        method="PATCH",
        path=f"/v1/users/{SUBJECT}",
        headers=headers(token, f"{run}{town.head}"),
        body=change(run),
        next_subject=True,
    )
    reading = msgspec.structs.replace(_read("list", _LIST, token), is_immediate=True)
    return lab.generator.at(OWN_PER_SECOND).run(
        api.port,
        [writing, reading],
        town.subjects(lab.scale.residents, 1, 2),
        connections=OWN_CONNECTIONS,
        **_span(lab),
    )


def _read(name: str, path: str, token: str, *, next_subject: bool = False) -> Step:
    reading = [("Authorization", f"Bearer {token}"), ("Accept", "application/json")]
    return Step(name=name, status=200, method="GET", path=path, headers=reading, next_subject=next_subject)


def _span(lab: Laboratory) -> dict[str, Any]:
    return {
        "warm_up_seconds": lab.scale.warm_up_seconds * LONGER,
        "seconds": lab.scale.seconds * LONGER,
        "requests": lab.scale.requests,
    }


def _over(rounds: list[Round]) -> dict[str, Latencies]:
    return {name: of_rounds([one.milliseconds[name] for one in rounds]) for name in rounds[0].milliseconds}


def _p99(rounds: list[Round]) -> dict[str, list[float]]:
    return {name: [one.milliseconds[name].p99 for one in rounds] for name in rounds[0].milliseconds}
