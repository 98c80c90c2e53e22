"""Take a badge back."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.badges.badge import Badge


class WithdrawBadge(msgspec.Struct, frozen=True, kw_only=True):
    """Which."""

    badge_id: UUID


async def withdraw_badge(command: WithdrawBadge, work: UnitOfWork) -> Saved:
    """Withdraw a badge; withdrawing it again records nothing."""
    badge = await work.target(Badge, command.badge_id)

    badge.withdraw()

    return await work.save(badge)
