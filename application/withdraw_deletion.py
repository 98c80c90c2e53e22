"""Stay after all."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved


class WithdrawDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def withdraw_deletion(command: WithdrawDeletion, platform: Platform) -> Saved:
    """Withdraw the request to be deleted; refused when the grace period has ended."""
    user = await platform.user(command.user_id)

    user.withdraw_deletion(platform.now)

    return await platform.save(user)
