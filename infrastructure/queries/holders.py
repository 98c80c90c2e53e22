"""Finds who has an address by the log itself: by its claim, and the account of the claim's holder."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from domain.email_claims import EmailClaim
from domain.users import User
from domain.values import EmailAddress, email_key
from infrastructure.aggregates import Aggregates
from infrastructure.claims.both_keys import leading
from infrastructure.keyring import ClaimIds

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
            user, position = await self._aggregates.user(claim.holder)
            if _has(user, address):
                return user, position
            # Between the two looks the address may have gone to somebody else. If it has not, it is only asked for.
            passed = claim.holder
        return None, position

    async def _claim(self, claim_ids: Sequence[UUID]) -> tuple[EmailClaim, int]:
        claims = await asyncio.gather(*map(self._aggregates.email_claim_at_head, claim_ids))
        return leading([claim for claim, _ in claims]), min(head for _, head in claims)


def _has(user: User | None, address: EmailAddress) -> bool:
    """Whether somebody's present address is this one."""
    return user is not None and not user.erased and email_key(user.email) == email_key(address)
