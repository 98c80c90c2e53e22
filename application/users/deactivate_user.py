"""Put an account to rest, by its owner's wish."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User


class DeactivateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def deactivate_user(command: DeactivateUser, work: UnitOfWork) -> Saved:
    """Deactivate a user; refused while suspended or waiting to be deleted."""
    user = await work.target(User, command.user_id)

    user.deactivate()

    return await work.save(user)
