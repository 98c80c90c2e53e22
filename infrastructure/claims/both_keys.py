"""While the claims key is being replaced: each fact about an address is recorded under both of its ids.

Of the two claims of one address, the one with the latest fact *leads*: a use case decides on it, and the other one is
made to say the same, in the same command. So it does no harm that some processes have one of the keys only, while all
of them are started anew: what one of these recorded under one id is the latest fact. Before anything is recorded under
the next key, the present one leads; when the next one has taken the present's place, that one does.

A command that changes one of them always changes the other one, too, even if it has to catch up first: so whoever else
is at either of them at the time is told by its version.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from application.commands import CommandContext
from application.platform import Saved
from domain.email_claims import EmailClaim
from domain.kernel import Aggregate
from domain.values import EmailAddress
from infrastructure.aggregates import Aggregates
from infrastructure.keyring import ClaimIds
from infrastructure.platform import Attempt, CommandPlatform


async def claims_of(aggregates: Aggregates, ids: Sequence[ClaimIds], address: EmailAddress) -> list[EmailClaim]:
    """The claims of an address under each key, as of one moment."""
    return await asyncio.gather(*(aggregates.email_claim(each.of(address)) for each in ids))


async def leading_claim(aggregates: Aggregates, ids: Sequence[ClaimIds], address: EmailAddress) -> EmailClaim:
    """The claim of an address that says whose it is."""
    return _leader_first(await claims_of(aggregates, ids, address))[0]


def _leader_first(claims: Sequence[EmailClaim]) -> list[EmailClaim]:
    return sorted(claims, key=lambda claim: claim.modified_on, reverse=True)


def follow(claim: EmailClaim, leader: EmailClaim, now: datetime) -> None:
    """Decide on a claim what makes it say what the leading one says; nothing if it does."""
    if says_the_same(claim, leader):
        return
    if claim.holder is not None and (claim.holder != leader.holder or claim.reserved_until is None):
        claim.release(claim.holder)
    if leader.holder is not None and leader.reserved_until is not None:
        claim.reserve(leader.holder, leader.reserved_until, now)
    elif leader.holder is not None:
        claim.claim(leader.holder, now)


def says_the_same(claim: EmailClaim, leader: EmailClaim) -> bool:
    """Whether two claims have the same holder, for as long."""
    return (claim.holder, claim.reserved_until) == (leader.holder, leader.reserved_until)


class AttemptUnderBothKeys(Attempt):
    """One try at a command, in a process that has the next claims key, too."""

    def __init__(
        self, platform: CommandPlatform, context: CommandContext, *, fresh: bool, ids: Sequence[ClaimIds]
    ) -> None:
        super().__init__(platform, context, fresh=fresh)
        self._ids = ids
        self._pairs: list[tuple[EmailClaim, EmailClaim]] = []

    async def email_claim(self, address: EmailAddress) -> EmailClaim:
        """The leading claim of this address."""
        claim_id = self._ids[0].of(address)
        if claim_id not in self._claims:
            leader, other = await self._find_both(address)
            follow(other, leader, self.now)
            self._pairs.append((leader, other))
            self._claims[claim_id] = leader
        return self._claims[claim_id]

    async def _find_both(self, address: EmailAddress) -> list[EmailClaim]:
        if self._fresh:
            return _leader_first(await claims_of(self._platform.aggregates, self._ids, address))
        return [await self._find_claim(ids.of(address)) for ids in self._ids]

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new, and of each claim the same under its other id."""
        following = [self._following(leader, other) for leader, other in self._pairs if leader.pending_events]
        return await super().save(subject, *others, *following)

    def _following(self, leader: EmailClaim, other: EmailClaim) -> EmailClaim:
        follow(other, leader, self.now)
        return other
