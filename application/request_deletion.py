"""Ask to be deleted."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved


class RequestDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    user_id: UUID


async def request_deletion(command: RequestDeletion, platform: Platform) -> Saved:
    """Have a user erased when the grace period ends; asking again does not prolong it."""
    user = await platform.user(command.user_id)

    user.request_deletion(platform.now + platform.policy.erase_after)

    return await platform.save(user)
