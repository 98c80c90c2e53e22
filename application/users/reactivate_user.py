"""Take a resting account up again."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User


class ReactivateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def reactivate_user(command: ReactivateUser, work: UnitOfWork) -> Saved:
    """Reactivate a user; refused while suspended or waiting to be deleted."""
    user = await work.target(User, command.user_id)

    user.reactivate()

    return await work.save(user)
