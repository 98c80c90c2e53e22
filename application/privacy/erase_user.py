"""Erase a user: what is personal about them can never be read again."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog

from application.unit_of_work import Saved, UnitOfWork
from application.unreadable import HistoryUnreadableError
from application.users.emails.address_claims import claim_of
from application.users.unread_users import UnreadUsers
from domain.users import User
from domain.users.email_claim import EmailClaim

log = structlog.get_logger(__name__)


class EraseUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account; the reason is recorded with the command."""

    user_id: UUID


async def erase_user(command: EraseUser, work: UnitOfWork) -> Saved:
    """Erase a user now; their addresses become free. Nothing new if they are erased already.

    Nobody has to be readable for that: neither the account nor, to be found, the rights to its addresses.
    """
    try:
        user = await work.target(User, command.user_id)
        claims = await _claims(user, work)
    except HistoryUnreadableError:
        user, claims = await _unread(command.user_id, work)

    user.erase()
    for claim in claims:
        claim.release(user.id)

    return await work.save(user, *claims)


async def erase_due_user(command: EraseUser, work: UnitOfWork) -> Saved:
    """Erase a user whose grace period has ended; does nothing for others.

    Raises `HistoryUnreadableError`: what cannot be read may say that they changed their mind.
    """
    user = await work.target(User, command.user_id)
    claims = await _claims(user, work)

    user.erase_when_due(work.now)
    if user.erased:
        for claim in claims:
            claim.release(user.id)

    return await work.save(user, *claims)


async def _unread(user_id: UUID, work: UnitOfWork) -> tuple[User, Sequence[EmailClaim]]:
    """A user who cannot be read, and the claims that were ever theirs; those that cannot be read stay as they are."""
    known = work.using(UnreadUsers)
    user = await known.user(user_id)
    work.expect(user)
    claims = []
    for claim_id in await known.claims_naming(user_id):
        try:
            claims.append(await work.load(EmailClaim, claim_id))
        except HistoryUnreadableError as error:
            log.warning("email_claim.unreadable", stream=str(claim_id), version=error.version, error=error.kind)
    return user, claims


async def _claims(user: User, work: UnitOfWork) -> Sequence[EmailClaim]:
    """The rights to the user's address and to the one that they have asked for."""
    if user.erased:
        return []
    addresses = dict.fromkeys([user.email, user.pending_email or user.email])
    return [await claim_of(address, work) for address in addresses]
