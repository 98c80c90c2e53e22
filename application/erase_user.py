"""Erase a user: what is personal about them can never be read again."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from application.platform import Platform, Saved
from application.unreadable import HistoryUnreadableError
from domain.email_claims import EmailClaim
from domain.users import User


class EraseUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account; the reason is recorded with the command."""

    user_id: UUID


async def erase_user(command: EraseUser, platform: Platform) -> Saved:
    """Erase a user now; their addresses become free. Nothing new if they are erased already.

    Nobody has to be readable for that: neither the account nor, to be found, the rights to its addresses.
    """
    try:
        user = await platform.user(command.user_id)
        claims = await _claims(user, platform)
    except HistoryUnreadableError:
        user = await platform.unread_user(command.user_id)
        claims = await platform.claims_naming(user.id)

    user.erase()
    for claim in claims:
        claim.release(user.id)

    return await platform.save(user, *claims)


async def erase_due_user(command: EraseUser, platform: Platform) -> Saved:
    """Erase a user whose grace period has ended; does nothing for others.

    Raises `HistoryUnreadableError`: what cannot be read may say that they changed their mind.
    """
    user = await platform.user(command.user_id)
    claims = await _claims(user, platform)

    user.erase_when_due(platform.now)
    if user.erased:
        for claim in claims:
            claim.release(user.id)

    return await platform.save(user, *claims)


async def _claims(user: User, platform: Platform) -> Sequence[EmailClaim]:
    """The rights to the user's address and to the one that they have asked for."""
    if user.erased:
        return []
    addresses = dict.fromkeys([user.email, user.pending_email or user.email])
    return [await platform.email_claim(address) for address in addresses]
