"""Close an account to its owner."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User
from domain.values import parse_reason


class SuspendUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whom, and why."""

    user_id: UUID
    reason: str


async def suspend_user(command: SuspendUser, work: UnitOfWork) -> Saved:
    """Suspend a user, with the reason; suspending again records nothing."""
    user = await work.target(User, command.user_id)

    user.suspend(parse_reason(command.reason))

    return await work.save(user)
