"""`forgetting`: how long read models show people whose erasure was acknowledged, under a full load of commands."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection

import msgspec
import psycopg
from psycopg import sql

from application.actors import Role
from application.read_models import READ_MODELS
from application.users.directory import USER_DIRECTORY
from benchmarks.command_load import CONNECTIONS, command_steps
from benchmarks.figures import Figure, below, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.lag_watch import LagWatch
from benchmarks.latencies import Latencies, latencies, of_rounds
from benchmarks.load_generator import LoadResult
from benchmarks.processes import Api
from infrastructure.projections.columns import SCHEMA, table_name
from infrastructure.projections.generations import live_generation

PER_SECOND = 50
ASKED = b'{"reason":"Asked for by the person"}'


class Erasure(msgspec.Struct, frozen=True):
    """Somebody who was erased, and when that was acknowledged."""

    user_id: str
    position: int
    acknowledged_at: datetime


class Round(msgspec.Struct, frozen=True):
    """A load of commands, with erasures meanwhile, and how long each read model took to forget these people."""

    load: LoadResult
    erasures: list[Erasure]
    lags: dict[str, Latencies]


def measure(lab: Laboratory) -> Figure:
    """One API process and one worker; the slowest read model counts. Who is erased is not changed by the load."""
    town = lab.forgetful()
    doomed = [subject.text for subject in town.subjects(lab.scale.residents, 1, 2)]
    count = int(PER_SECOND * lab.scale.seconds)
    with lab.worker(town), lab.api(town) as api:
        pieces = [doomed[number * count : (number + 1) * count] for number in range(lab.scale.rounds)]
        rounds = [_round(lab, api, town, piece) for piece in pieces]
    by_model = {model: of_rounds([one.lags[model] for one in rounds]) for model in READ_MODELS}
    erased = [erasure.user_id for one in rounds for erasure in one.erasures]
    return figure(
        "forgetting",
        below("p99", max(lag.p99 for lag in by_model.values()), 1_000, "ms"),
        none_of("people still shown", _shown(town, erased)),
        none_of("errors", sum(one.load.errors for one in rounds)),
        erasures=len(erased),
        milliseconds=by_model,
        commands_per_second=[round(one.load.per_second) for one in rounds],
    )


def _round(lab: Laboratory, api: Api, town: Town, doomed: list[str]) -> Round:
    wait_until_followed(town)
    watch = LagWatch(town.conninfo)
    with watch.watching(), ThreadPoolExecutor(max_workers=1) as beside:
        erasing = beside.submit(_erase, api.port, lab.token(Role.ADMIN), doomed, lab.scale.warm_up_seconds)
        load = _load(lab, api, town)
        erasures = erasing.result()
        wait_until_followed(town)
    return Round(load, erasures, {model: latencies(_lags(watch, model, erasures)) for model in READ_MODELS})


def _load(lab: Laboratory, api: Api, town: Town) -> LoadResult:
    return lab.generator.run(
        api.port,
        command_steps(lab.token(Role.SERVICE)),
        town.subjects(lab.scale.residents, 0, 2),
        connections=CONNECTIONS,
        warm_up_seconds=lab.scale.warm_up_seconds,
        seconds=lab.scale.seconds,
        requests=lab.scale.requests,
        staggered=True,
    )


def _erase(port: int, token: str, people: list[str], after_seconds: float) -> list[Erasure]:
    """Erase people, one after the other, at a steady rate."""
    connection = HTTPConnection("127.0.0.1", port)
    begin = time.monotonic() + after_seconds
    erasures: list[Erasure] = []
    for number, user_id in enumerate(people):
        time.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/v1/users/{user_id}/erasure", ASKED, headers)
        answer = connection.getresponse()
        acknowledged_at = datetime.now(UTC)
        erasures.append(Erasure(user_id, json.loads(answer.read())["position"], acknowledged_at))
    connection.close()
    return erasures


def _lags(watch: LagWatch, model: str, erasures: list[Erasure]) -> list[float]:
    """In seconds; 0 where a read model was faster than the answer."""
    return [max(0.0, (watch.seen(model, e.position) - e.acknowledged_at).total_seconds()) for e in erasures]


def _shown(town: Town, people: list[str]) -> int:
    """How many of these people the directory has."""
    with psycopg.connect(town.conninfo) as connection:
        live = live_generation(connection, USER_DIRECTORY.name)
        table = sql.Identifier(SCHEMA, table_name(USER_DIRECTORY.name, live.generation if live else 0))
        query = sql.SQL("SELECT count(*) FROM {} WHERE user_id = ANY (%s::uuid[])").format(table)
        row = connection.execute(query, (people,)).fetchone()
    return row[0] if row else 0
