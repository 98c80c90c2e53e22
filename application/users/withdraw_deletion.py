"""Stay after all."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User


class WithdrawDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def withdraw_deletion(command: WithdrawDeletion, work: UnitOfWork) -> Saved:
    """Withdraw the request to be deleted; refused when the grace period has ended."""
    user = await work.target(User, command.user_id)

    user.withdraw_deletion(work.now)

    return await work.save(user)
