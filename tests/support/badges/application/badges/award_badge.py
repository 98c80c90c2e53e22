"""Give somebody a badge."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.badges.badge import Badge
from domain.users import User


class AwardBadge(msgspec.Struct, frozen=True, kw_only=True):
    """To whom, from whom, and what for."""

    user_id: UUID
    giver_id: UUID
    words: str


async def award_badge(command: AwardBadge, work: UnitOfWork) -> Saved:
    """Award a badge; refused if one of the two is not there, or has been erased."""
    for person in (command.user_id, command.giver_id):
        (await work.load(User, person)).must_be_there()

    badge = Badge(user_id=command.user_id, giver_id=command.giver_id, words=command.words)

    return await work.save(badge)
