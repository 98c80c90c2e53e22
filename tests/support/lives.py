"""People whose accounts have seen everything that is counted, on many days."""

import asyncio
import random
import uuid
from pathlib import Path
from typing import Any

import psycopg

from application.ports import Service
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.deactivate_user import DeactivateUser, deactivate_user
from application.users.reactivate_user import ReactivateUser, reactivate_user
from application.users.record_consent import ConsentChoice, RecordConsent, record_consent
from application.users.register_user import register_user
from application.users.reinstate_user import ReinstateUser, reinstate_user
from application.users.request_deletion import RequestDeletion, request_deletion
from application.users.suspend_user import SuspendUser, suspend_user
from application.users.withdraw_deletion import WithdrawDeletion, withdraw_deletion
from domain.errors import DomainError
from infrastructure.composition import open_service
from tests.support.running import context, registration, settings_in

COUNTRIES = ("SE", "DE", "FR", "NO")
PURPOSES = ("ads", "research")


def make_lives(home: Path, conninfo: str, people: int) -> None:
    """Accounts that come, go, move and change their minds; what cannot be done is refused, and not done."""

    async def fill() -> None:
        async with open_service(settings_in(home), conninfo) as service:
            await asyncio.gather(*(_live(service, number) for number in range(people)))

    asyncio.run(fill())


async def _live(service: Service, number: int) -> None:
    draw = random.Random(number)
    facts = registration(f"life{number}", country=draw.choice(COUNTRIES))
    user_id = (await service.commands.run(register_user, facts, context())).aggregate_id
    for _ in range(draw.randrange(12)):
        use_case, command = draw.choice(_STEPS)(user_id, draw)
        try:
            await service.commands.run(use_case, command, context())
        except DomainError:
            continue


def _consent(user_id: uuid.UUID, draw: random.Random) -> tuple[Any, Any]:
    choice = ConsentChoice(granted=draw.random() < 0.6, document_version=draw.choice(("1", "2")))
    return record_consent, RecordConsent(user_id=user_id, purpose=draw.choice(PURPOSES), choice=choice)


def _move(user_id: uuid.UUID, draw: random.Random) -> tuple[Any, Any]:
    return change_profile, ChangeProfile(user_id=user_id, patch=ProfilePatch(country=draw.choice(COUNTRIES)))


_STEPS: tuple[Any, ...] = (
    _consent,
    _consent,
    _move,
    lambda user_id, _: (suspend_user, SuspendUser(user_id=user_id, reason="spam")),
    lambda user_id, _: (reinstate_user, ReinstateUser(user_id=user_id, reason="a mistake")),
    lambda user_id, _: (deactivate_user, DeactivateUser(user_id=user_id)),
    lambda user_id, _: (reactivate_user, ReactivateUser(user_id=user_id)),
    lambda user_id, _: (request_deletion, RequestDeletion(user_id=user_id)),
    lambda user_id, _: (withdraw_deletion, WithdrawDeletion(user_id=user_id)),
)


def spread_over_days(conninfo: str, first_day: str, hours: int) -> None:
    """As if there had been so many hours between any two facts; by the owner, who has to switch a trigger off."""
    with psycopg.connect(conninfo) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            "UPDATE log.event SET recorded_at = %s::timestamptz + \"position\" * %s * interval '1 hour'",
            (f"{first_day}T00:00Z", hours),
        )
