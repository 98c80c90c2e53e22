"""Open a suspended account again."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User
from domain.values import parse_reason


class ReinstateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whom, and why."""

    user_id: UUID
    reason: str


async def reinstate_user(command: ReinstateUser, work: UnitOfWork) -> Saved:
    """Reinstate a user, with the reason; one who is not suspended stays as they are."""
    user = await work.target(User, command.user_id)

    user.reinstate(parse_reason(command.reason))

    return await work.save(user)
