"""Finds the claim of an address, also while the key that gives claims their ids is being replaced.

Then each address has two ids, and each fact about it is recorded under both. Of the two claims of one address, the one
with the latest fact *leads*: a use case decides on it, and what is recorded about it is recorded about the other one,
too, in the same command. So it does no harm that some processes have one of the keys only, while all of them are
started anew: what one of these recorded under one id is the latest fact. Before anything is recorded under the next
key, the present one leads, also if both have the latest fact; when the next one has taken the present's place, that one
does.

A command that changes one of them always changes the other one, too: so whoever else is at either of them at the time
is told by its version. The other one does not catch up with what was before, which the rotation brings: if it did, the
number of facts would tell people which addresses were claimed before.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from application.unit_of_work import UnitOfWork
from domain.users.email_claim import EmailClaim
from domain.values import EmailAddress


class ClaimIdsOf(Protocol):
    """The ids of the claims of an address: one, or two while their key is being replaced."""

    def __call__(self, address: EmailAddress, /) -> Sequence[UUID]:
        """The ids by the present key, and by the next one."""
        ...


async def claim_of(address: EmailAddress, work: UnitOfWork, *, likely_new: bool = False) -> EmailClaim:
    """The claim of an address; the same object for each spelling of it. Most addresses were never claimed."""
    ids = work.using(ClaimIdsOf)(address)
    if len(ids) == 1:
        return await work.load(EmailClaim, ids[0], likely_new=likely_new)
    claims = await asyncio.gather(*(work.load(EmailClaim, each, likely_new=likely_new) for each in ids))
    leader, *others = leader_first(claims)
    work.mirror(leader, *others)
    return leader


def leader_first(claims: Sequence[EmailClaim]) -> list[EmailClaim]:
    """The claims of one address, beginning with the one that says whose it is."""
    return sorted(claims, key=lambda claim: claim.modified_on, reverse=True)
