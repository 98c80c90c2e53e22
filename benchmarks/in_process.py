"""Commands without HTTP: use cases run by callers in one process, on the real log."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from math import inf
from typing import Any
from uuid import UUID

import msgspec
import uvloop

from application.actors import Actor, Metadata, Role
from application.commands import CommandContext
from application.ports import Service
from application.unit_of_work import Saved
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.register_user import RegisterUser, register_user
from benchmarks.latencies import Latencies, latencies
from domain.ids import uuid7
from infrastructure.composition import open_service
from infrastructure.garbage_collection import make_collection_rare
from infrastructure.settings import Settings

CALLERS = 64
PATTERN = (True, False, False, True, False, False, True, False, True, False)
"""Whether a command is a registration: 40 % are, as over HTTP."""
ACTOR = Actor(role=Role.SERVICE, id="benchmark", client="benchmark")
EVENTS_OF_REGISTRATION = 2
REGISTRATIONS_FOR_THREE_CHANGES = 2


def strangers() -> Iterator[str]:
    """Words of 20 letters that nobody has used before, cheap to make: what callers do is not what is measured."""
    run = uuid.uuid4().hex[:12]
    return (f"{run}{number:08x}" for number in count())


class CommandsRun(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that were carried out."""

    seconds: float
    commands: int
    events: int
    milliseconds: Latencies

    @property
    def per_second(self) -> float:
        """Commands in each second."""
        return self.commands / self.seconds


Command = Callable[[Service], Awaitable[int]]
"""Is carried out, and says how many events it recorded."""


def run(
    settings: Settings,
    conninfo: str,
    users: Sequence[UUID],
    *,
    seconds: float = inf,
    commands: int | None = None,
) -> CommandsRun:
    """Carry out commands for a while, or so many; each caller one after the other, on users of its own."""
    plan = _Plan(users, commands)
    # As the server does it.
    make_collection_rare()
    return uvloop.run(plan.carry_out(settings, conninfo, seconds))


class _Plan:
    """What the callers do, and what came of it."""

    def __init__(self, users: Sequence[UUID], commands: int | None) -> None:
        words = strangers()
        self._callers = [_endless(users[number::CALLERS], words) for number in range(CALLERS)]
        self._left = count() if commands is None else iter(range(commands))
        self._durations: list[float] = []
        self._events = 0

    async def carry_out(self, settings: Settings, conninfo: str, seconds: float) -> CommandsRun:
        async with open_service(settings, conninfo) as service:
            begin = time.perf_counter()
            await asyncio.gather(*(self._call(service, caller, begin + seconds) for caller in self._callers))
            taken = time.perf_counter() - begin
        return CommandsRun(
            seconds=taken,
            commands=len(self._durations),
            events=self._events,
            milliseconds=latencies(self._durations),
        )

    async def _call(self, service: Service, caller: Iterator[Command], deadline: float) -> None:
        for command, _ in zip(caller, self._left, strict=False):
            begin = time.perf_counter()
            if begin > deadline:
                return
            events = await command(service)
            self._events += events
            self._durations.append(time.perf_counter() - begin)


def _endless(users: Sequence[UUID], words: Iterator[str]) -> Iterator[Command]:
    changed = 0
    while True:
        for is_registration in PATTERN:
            if is_registration:
                yield _register(next(words))
            else:
                yield _change(users[changed % len(users)], next(words))
                changed += 1


def _register(someone: str) -> Command:
    facts = RegisterUser(email=f"{someone}@example.com", display_name=f"Ingrid {someone}", country="SE", locale="sv-SE")

    async def register(service: Service) -> int:
        await _command(service, register_user, facts, someone)
        return EVENTS_OF_REGISTRATION

    return register


def _change(user_id: UUID, something: str) -> Command:
    wish = ChangeProfile(user_id=user_id, patch=ProfilePatch(display_name=something))

    async def change(service: Service) -> int:
        await _command(service, change_profile, wish, something)
        return 1

    return change


async def _command(service: Service, use_case: Any, command: Any, key: str) -> Saved:
    context = CommandContext(
        metadata=Metadata(command_id=uuid7(), actor=ACTOR),
        key=service.command_keys.make("benchmark", key, key.encode()),
    )
    return await service.commands.run(use_case, command, context)
