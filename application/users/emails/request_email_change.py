"""Ask for another email address."""

from uuid import UUID

import msgspec

from application.policy import Policy
from application.unit_of_work import Saved, UnitOfWork
from application.users.emails.address_claims import claim_of
from domain.users import User
from domain.values import parse_email_address


class RequestEmailChange(msgspec.Struct, frozen=True, kw_only=True):
    """The user and the address they want."""

    user_id: UUID
    email: str
    discloses_holder: bool = False
    """Whether who asks may learn that somebody else has the address: staff and services, never people themselves."""


async def request_email_change(command: RequestEmailChange, work: UnitOfWork) -> Saved:
    """Request another address: a token is mailed to it. An address requested before becomes available.

    Requesting the current address withdraws a request for another one, and mails a token to verify the current one.

    People get the same answer whether or not somebody else has the address; its holder gets a mail
    (docs/decisions/0028-mails-to-strangers.md). So both cases load the same, record as many events, and append once.
    """
    wanted = parse_email_address(command.email)
    user = await work.target(User, command.user_id)
    present = await claim_of(user.email, work)
    pending = await claim_of(user.pending_email or user.email, work)
    claim = await claim_of(wanted, work)
    now, policy = work.now, work.using(Policy)

    user.request_email_change(wanted, now + policy.confirm_within, now, policy.email_requests)
    if pending is not present and pending is not claim:
        pending.withdraw(user.id)
    if user.email_request:
        deadline = user.email_request.confirm_by
        claim.request(user.id, deadline, now, policy.mails_to_address, is_told=command.discloses_holder)

    return await work.save(user, pending, claim)
