"""Take a resting account up again."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved


class ReactivateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def reactivate_user(command: ReactivateUser, platform: Platform) -> Saved:
    """Reactivate a user; refused while suspended or waiting to be deleted."""
    user = await platform.user(command.user_id)

    user.reactivate()

    return await platform.save(user)
