"""Put an account to rest, by its owner's wish."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved


class DeactivateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def deactivate_user(command: DeactivateUser, platform: Platform) -> Saved:
    """Deactivate a user; refused while suspended or waiting to be deleted."""
    user = await platform.user(command.user_id)

    user.deactivate()

    return await platform.save(user)
