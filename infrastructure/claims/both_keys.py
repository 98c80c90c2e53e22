"""While the claims key is being replaced: each fact about an address is recorded under both of its ids.

Of the two claims of one address, the one with the latest fact *leads*: a use case decides on it, and what is recorded
about it is recorded about the other one, too, in the same command. So it does no harm that some processes have one of
the keys only, while all of them are started anew: what one of these recorded under one id is the latest fact. Before
anything is recorded under the next key, the present one leads, also if both have the latest fact; when the next one has
taken the present's place, that one does.

A command that changes one of them always changes the other one, too: so whoever else is at either of them at the time
is told by its version. The other one does not catch up with what was before, which the rotation brings: if it did, the
number of facts would tell people which addresses were claimed before.
"""

import asyncio
from collections.abc import Sequence

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
    return leading(await claims_of(aggregates, ids, address))


def leading(claims: Sequence[EmailClaim]) -> EmailClaim:
    """Of the claims of one address under each key, the one that says whose it is."""
    return _leader_first(claims)[0]


def _leader_first(claims: Sequence[EmailClaim]) -> list[EmailClaim]:
    return sorted(claims, key=lambda claim: claim.modified_on, reverse=True)


class AttemptUnderBothKeys(Attempt):
    """One try at a command, in a process that has the next claims key, too."""

    def __init__(
        self, platform: CommandPlatform, context: CommandContext, *, fresh: bool, ids: Sequence[ClaimIds]
    ) -> None:
        super().__init__(platform, context, fresh=fresh)
        self._ids = ids
        self._pairs: list[tuple[EmailClaim, EmailClaim]] = []

    async def email_claim(self, address: EmailAddress, *, as_if_vacant: bool = False) -> EmailClaim:
        """The leading claim of this address."""
        claim_id = self._ids[0].of(address)
        if claim_id not in self._claims:
            leader, other = await self._find_both(address, as_if_vacant=as_if_vacant)
            self._pairs.append((leader, other))
            self._claims[claim_id] = leader
        return self._claims[claim_id]

    async def _find_both(self, address: EmailAddress, *, as_if_vacant: bool) -> list[EmailClaim]:
        if self._fresh or not as_if_vacant:
            return _leader_first(await claims_of(self._platform.aggregates, self._ids, address))
        return [await self._find_claim(ids.of(address), as_if_vacant=True) for ids in self._ids]

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new, and of each claim the same under its other id."""
        changed = [(leader, other) for leader, other in self._pairs if leader.pending_events]
        for leader, other in changed:
            other.repeat(leader.pending_events)
        return await super().save(subject, *others, *(other for _, other in changed))
