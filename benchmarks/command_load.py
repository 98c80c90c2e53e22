"""The load of commands: 40 % registrations, 60 % changes of existing users, half of these on a version (If-Match).

Each connection changes users of its own and knows their versions from the answers, so that no command is refused: an
answer that is not a success is an error of the measurement or of the service.
"""

import uuid
from collections.abc import Iterable

import msgspec

from application.actors import Role
from benchmarks.laboratory import Laboratory, Town
from benchmarks.load_generator import NUMBER, SUBJECT, VERSION, LoadResult, Step
from benchmarks.processes import Api

CONNECTIONS = 64
PATTERN = ("register", "change", "change_version", "register", "change", "change_version", "register", "change",
           "register", "change_version")  # fmt: skip
EVENTS_OF_REGISTRATION = 2


class CommandRun(msgspec.Struct, frozen=True, kw_only=True):
    """A load of commands, and what the log has of it."""

    load: LoadResult
    acknowledged_commands: int
    recorded_commands: int
    acknowledged_events: int
    recorded_events: int

    @property
    def faults(self) -> int:
        """Answers that were no success, and events or commands that the log has too many or too few."""
        return (
            self.load.errors
            + abs(self.acknowledged_commands - self.recorded_commands)
            + abs(self.acknowledged_events - self.recorded_events)
        )


def command_steps(token: str) -> list[Step]:
    """The commands, as each connection sends them in turn."""
    run = uuid.uuid4().hex[:12]
    steps = {
        "register": Step(
            name="register",
            status=201,
            method="POST",
            path="/v1/users",
            headers=headers(token, run),
            body=registration(run),
        ),
        "change": Step(
            name="change",
            status=200,
            method="PATCH",
            path=f"/v1/users/{SUBJECT}",
            headers=headers(token, run),
            body=change(run),
            next_subject=True,
            tells_version=True,
        ),
    }
    on_version = ("If-Match", f'"{VERSION}"')
    steps["change_version"] = msgspec.structs.replace(
        steps["change"], name="change_version", headers=[*headers(token, run), on_version]
    )
    return [steps[name] for name in PATTERN]


def no_op_steps(token: str) -> list[Step]:
    """The same requests, to a route that reads them and does nothing."""
    return [
        msgspec.structs.replace(
            step, status=200, method="POST", path=step.path.replace("/users", "/no-op"), tells_version=False
        )
        for step in command_steps(token)
    ]


def registration(run: str) -> str:
    """The content of a registration."""
    facts = {
        "email": f"new.{NUMBER}@{run}.example.com",
        "displayName": f"Ingrid Andersson {NUMBER}",
        "country": "SE",
        "locale": "sv-SE",
        "birthDate": "1994-07-21",
    }
    return _template(facts)


def change(run: str) -> str:
    """The content of a change: a name that nobody had before."""
    return _template({"displayName": f"{run} {NUMBER}"})


def headers(token: str, run: str) -> list[tuple[str, str]]:
    """What a command comes with."""
    return [
        ("Authorization", f"Bearer {token}"),
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("Idempotency-Key", f"{run}-{NUMBER}"),
        ("Traceparent", f"00-{run:0<32}-{run:0<16}-01"),
    ]


def send_commands(
    lab: Laboratory, api: Api, town: Town, *, seconds: float | None = None, part: int = 0, parts: int = 1
) -> CommandRun:
    """Send commands about one part of the users for a while, and count what the log has of them."""
    commands, events = town.commands, town.events
    load = lab.generator.run(
        api.port,
        command_steps(lab.token(Role.SERVICE)),
        town.subjects(lab.scale.residents, part, parts),
        connections=CONNECTIONS,
        warm_up_seconds=lab.scale.warm_up_seconds,
        seconds=lab.scale.seconds if seconds is None else seconds,
        requests=lab.scale.requests,
        staggered=True,
    )
    registrations, changes = load.acknowledged("register"), load.acknowledged("change", "change_version")
    return CommandRun(
        load=load,
        acknowledged_commands=registrations + changes,
        recorded_commands=town.commands - commands,
        acknowledged_events=EVENTS_OF_REGISTRATION * registrations + changes,
        recorded_events=town.events - events,
    )


def send_no_ops(lab: Laboratory, api: Api, town: Town) -> LoadResult:
    """Send the same requests to the route that does nothing."""
    return lab.generator.run(
        api.port,
        no_op_steps(lab.token(Role.SERVICE)),
        town.subjects(lab.scale.residents),
        connections=CONNECTIONS,
        warm_up_seconds=lab.scale.warm_up_seconds,
        seconds=lab.scale.seconds,
        requests=lab.scale.requests,
        staggered=True,
    )


def counts(runs: Iterable[CommandRun]) -> dict[str, int]:
    """What was acknowledged and what the log has, over several runs."""
    names = ("acknowledged_commands", "recorded_commands", "acknowledged_events", "recorded_events")
    runs = list(runs)
    return {name: sum(getattr(run, name) for run in runs) for name in names}


def _template(facts: dict[str, str]) -> str:
    """JSON in which the generator's marks stand as they are."""
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in facts.items()) + "}"
