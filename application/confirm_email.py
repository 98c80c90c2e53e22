"""Show that an email address is one's own."""

import msgspec

from application.platform import Platform, Saved
from domain import errors


class ConfirmEmail(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The token that was mailed to the address."""

    token: str


async def confirm_email(command: ConfirmEmail, platform: Platform) -> Saved:
    """Verify the address a token was mailed to, once, in time; a changed address frees the old one."""
    try:
        user = await platform.user(platform.email_tokens.user_of(command.token))
    except errors.UserNotFound:
        raise errors.VerificationTokenInvalid from None
    if user.email_request is None or not platform.email_tokens.matches(command.token, user.id, user.email_request):
        raise errors.VerificationTokenInvalid
    old = await platform.email_claim(user.email)
    new = await platform.email_claim(user.email_request.email)

    user.confirm_email(platform.now)
    if old is new:
        return await platform.save(user)
    new.confirm(user.id, platform.now)
    old.release(user.id)

    return await platform.save(user, old, new)
