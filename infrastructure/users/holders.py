"""Finds who has an address by the log itself: by its claim, and the account of the claim's holder."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from application.users.emails.address_claims import leader_first
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.values import EmailAddress, email_key
from infrastructure.commands.aggregates import Aggregates
from infrastructure.users.claims.claim_ids import ClaimIds

ATTEMPTS = 20
"""How often an address may go from one account to another while it is looked up."""


class Holders:
    """Who has which address, as of now."""

    def __init__(self, aggregates: Aggregates, ids: Sequence[ClaimIds]) -> None:
        self._aggregates = aggregates
        self._ids = ids

    async def holder(self, address: EmailAddress) -> tuple[User | None, int]:
        """Whose address it is, and the log position that this reflects.

        Not who has only asked for it: their address is another one until they confirm.
        """
        found = await self._holder([ids.of(address) for ids in self._ids], address)
        older = [ids.of_older_form(address) for ids in self._ids]
        if found[0] is None and None not in older:
            return await self._holder([each for each in older if each], address)
        return found

    async def _holder(self, claim_ids: Sequence[UUID], address: EmailAddress) -> tuple[User | None, int]:
        position, passed = 0, None
        for _ in range(ATTEMPTS):
            claim, position = await self._claim(claim_ids)
            if claim.holder in {None, passed} or claim.reserved_until is not None:
                break
            user, position = await self._aggregates.find(User, claim.holder)
            if _has(user, address):
                return user, position
            # Between the two looks the address may have gone to somebody else. If it has not, it is only asked for.
            passed = claim.holder
        return None, position

    async def _claim(self, claim_ids: Sequence[UUID]) -> tuple[EmailClaim, int]:
        found = await asyncio.gather(*(self._aggregates.find(EmailClaim, claim_id) for claim_id in claim_ids))
        return leader_first([claim for claim, _ in found if claim])[0], min(head for _, head in found)


def _has(user: User | None, address: EmailAddress) -> bool:
    """Whether somebody's present address is this one."""
    return user is not None and not user.erased and email_key(user.email) == email_key(address)
