"""`rebuild_under_load`: the directory made again under 500 writes and 500 reads a second; and again, with a kill."""

import asyncio
import time
import uuid
from contextlib import suppress

import msgspec
import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from application.actors import Role
from application.users.directory import USER_DIRECTORY
from benchmarks.command_load import change, headers, registration
from benchmarks.figures import Figure, below, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.load_generator import NUMBER, SUBJECT
from benchmarks.population import COUNTRIES
from benchmarks.processes import Api, ProcessFailedError
from benchmarks.steady_load import Sent, SteadyLoad, failed, largest_gap
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.generations import add_generation, ensure_live
from infrastructure.projections.rebuild.filling import fill, processes_for
from infrastructure.projections.rebuild.parts import parts, plan
from infrastructure.projections.rebuild.rebuild_requests import request_rebuild
from infrastructure.projections.tables import ModelTable

PER_SECOND = 500
"""Writes, and reads, each."""
CONNECTIONS = 32
AROUND_SECONDS = 1.0
"""Of load before the rebuild and after it; and the span around the switch that is looked at."""
PATIENCE_SECONDS = 1_200.0
"""Rebuilds give way to everybody: on a machine that has much else to do they take long."""
LOOK_SECONDS = 0.05


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One rebuild under load."""

    seconds: float
    requests: int
    requests_meanwhile: int
    """Answered while the rebuild was under way."""
    failed_requests: int
    gap_at_switch: float
    largest_gap: float
    """At any time, in milliseconds like the other one; and how many seconds after the request for the rebuild."""
    largest_gap_after: float
    rows_that_differ: int
    killed_at_events: int | None


def measure(lab: Laboratory, per_second: int = PER_SECOND) -> Figure:
    """One API process and one worker; the worker rebuilds, and in the second run is killed over it half-way."""
    town = lab.followed(lab.scale.sizes[1])
    events = town.head
    with lab.worker(town), lab.api(town) as api:
        runs = [
            asyncio.run(_rebuilt(_loads(lab, api, town, per_second), town, is_killed=is_killed))
            for is_killed in (False, True)
        ]
    return figure(
        "rebuild_under_load",
        below("largest gap between reads at the switch", max(run.gap_at_switch for run in runs), 50, "ms"),
        none_of("failed requests", sum(run.failed_requests for run in runs)),
        none_of("rows that differ from a replay", sum(run.rows_that_differ for run in runs)),
        events_in_log=events,
        runs=[msgspec.to_builtins(run) for run in runs],
    )


async def _rebuilt(loads_of: tuple[SteadyLoad, SteadyLoad], town: Town, *, is_killed: bool) -> Run:
    writes, reads = loads_of
    stop = asyncio.Event()
    loads = [asyncio.create_task(load.run(stop)) for load in loads_of]
    await asyncio.sleep(AROUND_SECONDS)
    begin = time.time()
    request = await asyncio.to_thread(_request, town)
    killed_at = await _kill_half_way(town, request) if is_killed else None
    await _until(town, request, "state = 'succeeded'")
    end = time.time()
    await asyncio.sleep(2 * AROUND_SECONDS)
    stop.set()
    await asyncio.gather(*loads)
    switched = await asyncio.to_thread(_switched_at, town)
    await asyncio.to_thread(wait_until_followed, town, (USER_DIRECTORY.name,))
    largest = largest_gap(reads.sent, reads.sent[0].answered, reads.sent[-1].answered)
    sent: list[Sent] = [*writes.sent, *reads.sent]
    return Run(
        seconds=round(end - begin, 2),
        requests=len(sent),
        requests_meanwhile=sum(begin <= one.answered <= end for one in sent),
        failed_requests=failed(sent),
        gap_at_switch=largest_gap(reads.sent, switched - AROUND_SECONDS, switched + AROUND_SECONDS).milliseconds,
        largest_gap=largest.milliseconds,
        largest_gap_after=round(largest.begin - begin, 2),
        rows_that_differ=await asyncio.to_thread(_rows_that_differ, town),
        killed_at_events=killed_at,
    )


def _loads(lab: Laboratory, api: Api, town: Town, per_second: int) -> tuple[SteadyLoad, SteadyLoad]:
    token, run = lab.token(Role.SERVICE), uuid.uuid4().hex[:12]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(token, run))
    subjects = [subject.text for subject in town.subjects(lab.scale.residents)]

    def write(number: int) -> bytes:
        is_new = number % 5 < 2
        method, path, body = (
            ("POST", "/v1/users", registration(run)) if is_new else ("PATCH", f"/v1/users/{SUBJECT}", change(run))
        )
        body = body.replace(NUMBER, str(number))
        request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n"
        request = request.replace(NUMBER, str(number)).replace(SUBJECT, subjects[number % len(subjects)])
        return request.encode() + body.encode()

    def read(number: int) -> bytes:
        path = f"/v1/users?country={COUNTRIES[number % len(COUNTRIES)]}&limit=10"
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    return (
        SteadyLoad(api.port, write, per_second=per_second, connections=CONNECTIONS),
        SteadyLoad(api.port, read, per_second=per_second, connections=CONNECTIONS),
    )


def _request(town: Town) -> uuid.UUID:
    with psycopg.connect(as_projector(town.conninfo), autocommit=True) as connection:
        return request_rebuild(connection, USER_DIRECTORY.name, "system:benchmark")


async def _kill_half_way(town: Town, request: uuid.UUID) -> int:
    """Kill whatever the worker has started; it begins anew by itself, on what is left of the request."""
    done = await _until(town, request, "events_done > events_total / 2")
    killed = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # It ends by itself when the one that has started it is gone.
            if any("spawn_main" in argument for argument in process.cmdline()):
                process.kill()
                killed += 1
    if not killed:
        raise ProcessFailedError("The rebuild was over before it could be killed.")
    return done


async def _until(town: Town, request: uuid.UUID, condition: str) -> int:
    """Wait for something; the answer is how many events the rebuild has done by then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    query = f"SELECT {condition}, failure, events_done FROM projection.rebuild WHERE id = %s"  # noqa: S608 - one of two conditions
    async with await psycopg.AsyncConnection.connect(town.conninfo, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = await (await connection.execute(query.encode(), (request,))).fetchone()
            if row and row[0]:
                return int(row[2])
            if row and row[1]:
                raise ProcessFailedError(f"The rebuild failed: {row[1]}.")
            await asyncio.sleep(LOOK_SECONDS)
    raise ProcessFailedError(f"The rebuild did not come so far within {PATIENCE_SECONDS:.0f} s: {condition}.")


def _switched_at(town: Town) -> float:
    with psycopg.connect(town.conninfo) as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM switched_at)::float8 FROM projection.generation "
            "WHERE name = %s AND state = 'live'",
            (USER_DIRECTORY.name,),
        ).fetchone()
    return row[0] if row else 0.0


def _rows_that_differ(town: Town) -> int:
    """Between the live rows and those of a generation that is filled at once, while nothing is written."""
    conninfo = as_projector(town.conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        pieces = parts(connection, USER_DIRECTORY, town.head, processes_for(USER_DIRECTORY, town.head))
        with connection.transaction():
            fresh = add_generation(connection, USER_DIRECTORY, "building")
            plan(connection, USER_DIRECTORY.name, fresh, pieces)
        fill(conninfo, USER_DIRECTORY, fresh, pieces, lambda _: None)
        one, other = ModelTable(USER_DIRECTORY, live.generation).name, ModelTable(USER_DIRECTORY, fresh).name
        query = sql.SQL(
            "SELECT count(*) FROM ((TABLE {0} EXCEPT ALL TABLE {1}) UNION ALL (TABLE {1} EXCEPT ALL TABLE {0})) d"
        )
        row = connection.execute(query.format(one, other)).fetchone()
        ModelTable(USER_DIRECTORY, fresh).drop(connection)
        connection.execute("DELETE FROM projection.generation WHERE state = 'building'")
    return row[0] if row else 0
