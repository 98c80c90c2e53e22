"""Ask for another email address."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved
from domain.values import parse_email_address


class RequestEmailChange(msgspec.Struct, frozen=True, kw_only=True):
    """The user and the address they want."""

    user_id: UUID
    email: str


async def request_email_change(command: RequestEmailChange, platform: Platform) -> Saved:
    """Reserve another address for as long as the mailed token can confirm it; one asked for before becomes free.

    Asking for the present address withdraws the wish for another, and has the present one verified if it is not yet.
    """
    wanted = parse_email_address(command.email)
    user = await platform.user(command.user_id)
    present = await platform.email_claim(user.email)
    reserved = await platform.email_claim(user.pending_email or user.email)
    claim = await platform.email_claim(wanted)
    confirm_by = platform.now + platform.policy.confirm_within

    user.request_email_change(wanted, confirm_by)
    if reserved is not present and reserved is not claim:
        reserved.release(user.id)
    claim.reserve(user.id, confirm_by, platform.now)

    return await platform.save(user, reserved, claim)
