"""Show that an email address is one's own."""

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from application.users.emails.address_claims import claim_of
from application.users.emails.email_tokens import EmailTokens
from domain import errors
from domain.users import User


class ConfirmEmail(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The token that was mailed to the address."""

    token: str


async def confirm_email(command: ConfirmEmail, work: UnitOfWork) -> Saved:
    """Verify the address a token was mailed to, once, in time; a changed address frees the old one."""
    tokens = work.using(EmailTokens)
    try:
        user = await work.target(User, tokens.user_of(command.token))
    except errors.UserNotFound:
        raise errors.VerificationTokenInvalid from None
    if user.email_request is None or not tokens.matches(command.token, user.id, user.email_request):
        raise errors.VerificationTokenInvalid
    old = await claim_of(user.email, work)
    new = await claim_of(user.email_request.email, work)

    user.confirm_email(work.now)
    if old is new:
        return await work.save(user)
    new.confirm(user.id, work.now)
    old.release(user.id)

    return await work.save(user, old, new)
