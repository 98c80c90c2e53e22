"""`lifecycle`: register, read one's own write, change, suspend, ask for deletion; again and again."""

import uuid
from functools import partial
from statistics import median

from application.actors import Role
from benchmarks.command_load import change, headers, registration
from benchmarks.figures import Condition, Figure, at_least, below, figure, none_of
from benchmarks.laboratory import Laboratory, Town, wait_until_followed
from benchmarks.latencies import of_rounds
from benchmarks.load_generator import SUBJECT, VERSION, LoadResult, Step
from benchmarks.processes import Api
from benchmarks.rounds import in_turn

EVENTS = {"register": 2, "read_own_write": 0, "change": 1, "suspend": 1, "delete": 1}
"""What each step records."""
ITERATIONS = {64: 400, 600: 300}
"""Iterations per second that are wanted, by the number of connections."""


def measure(lab: Laboratory) -> Figure:
    """One API process and one worker; few connections and many, in turn."""
    town = lab.residents()
    with lab.worker(town), lab.api(town) as api:
        before = town.events
        sides = {count: partial(_live, lab, api, town, count) for count in lab.scale.lifecycle_connections}
        loads = in_turn(sides, lab.scale.rounds)
        recorded = town.events - before
    everything = [load for side in loads.values() for load in side]
    acknowledged = sum(load.acknowledged(step) * events for load in everything for step, events in EVENTS.items())
    faults = sum(load.errors for load in everything) + abs(acknowledged - recorded)
    return figure(
        "lifecycle",
        *_conditions(loads),
        none_of("errors", faults),
        iterations_per_second={name: [round(_iterations(load), 1) for load in side] for name, side in loads.items()},
        milliseconds={name: _by_step(side) for name, side in loads.items()},
        acknowledged_events=acknowledged,
        recorded_events=recorded,
        first_error=next((load.first_error for load in everything if load.first_error), None),
    )


def steps(token: str) -> list[Step]:
    """One life."""
    run = uuid.uuid4().hex[:12]
    user = f"/v1/users/{SUBJECT}"
    reading = [(name, value) for name, value in headers(token, run) if name in {"Authorization", "Accept"}]
    writing = headers(token, run)
    on_version = [*writing, ("If-Match", f'"{VERSION}"')]
    return [
        Step(
            name="register",
            status=201,
            method="POST",
            path="/v1/users",
            headers=writing,
            body=registration(run),
            captures_subject=True,
            tells_version=True,
        ),
        Step(name="read_own_write", status=200, method="GET", path=user, headers=reading, tells_version=True),
        Step(
            name="change",
            status=200,
            method="PATCH",
            path=user,
            headers=on_version,
            body=change(run),
            tells_version=True,
        ),
        Step(
            name="suspend",
            status=200,
            method="POST",
            path=f"{user}/suspension",
            headers=writing,
            body='{"reason":"Reported by other listeners"}',
        ),
        Step(name="delete", status=200, method="POST", path=f"{user}/deletion", headers=writing),
    ]


def _live(lab: Laboratory, api: Api, town: Town, connections: int) -> LoadResult:
    wait_until_followed(town)
    return lab.generator.run(
        api.port,
        steps(lab.token(Role.ADMIN)),
        [],
        connections=connections,
        warm_up_seconds=lab.scale.warm_up_seconds,
        seconds=lab.scale.seconds,
        requests=lab.scale.requests,
    )


def _conditions(loads: dict[int, list[LoadResult]]) -> list[Condition]:
    rates = [
        at_least(f"iterations at {count}", round(median(map(_iterations, side)), 1), ITERATIONS.get(count, 0), "1/s")
        for count, side in loads.items()
    ]
    most = max(loads)
    own_write = of_rounds([load.step("read_own_write").milliseconds for load in loads[most]])
    return [*rates, below(f"own-write GET p99 at {most}", own_write.p99, 100, "ms")]


def _iterations(load: LoadResult) -> float:
    """Lives per second: each step is a fifth of one, so that those count in part that the window cuts."""
    return load.per_second / len(EVENTS)


def _by_step(side: list[LoadResult]) -> dict[str, object]:
    return {name: of_rounds([load.step(name).milliseconds for load in side]) for name in EVENTS}
