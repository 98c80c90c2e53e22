"""Ask to be deleted."""

from uuid import UUID

import msgspec

from application.policy import Policy
from application.unit_of_work import Saved, UnitOfWork
from domain.users import User


class RequestDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def request_deletion(command: RequestDeletion, work: UnitOfWork) -> Saved:
    """Have a user erased when the grace period ends; asking again does not prolong it."""
    user = await work.target(User, command.user_id)

    user.request_deletion(work.now + work.using(Policy).erase_after)

    return await work.save(user)
