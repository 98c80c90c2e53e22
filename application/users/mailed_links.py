"""Why a mailed link is refused; told only to holders of a token that was really mailed, who receive the address's mail.

A made-up token learns nothing, whichever account it names (docs/decisions/0031-confirmation-page.md).
"""

from datetime import datetime
from enum import Enum, auto

from application.users.emails.email_tokens import EmailTokens
from application.users.queries import Moment, Users
from domain import errors
from domain.users import EmailRequest, User
from domain.values import email_key, has_passed


class LinkFault(Enum):
    """Why a link does not confirm an address."""

    UNKNOWN = auto()
    """It was never mailed, or its account is gone."""
    USED = auto()
    """The address is confirmed, and still that of the account."""
    REPLACED = auto()
    """The request was followed by another one, or withdrawn."""
    EXPIRED = auto()
    TAKEN = auto()
    """Another account has the address by now."""


class MailedLinks:
    """The links in confirmation mails."""

    def __init__(self, users: Users, tokens: EmailTokens) -> None:
        self._users = users
        self._tokens = tokens

    async def fault(self, token: str, now: datetime) -> LinkFault:
        """Why a token was just refused with `VerificationTokenInvalid`."""
        try:
            user, _ = await self._users.user(self._tokens.user_of(token))
        except errors.VerificationTokenInvalid:
            return LinkFault.UNKNOWN
        if user is None or user.erased:
            return LinkFault.UNKNOWN
        asked = await self._mailed(token, user)
        return LinkFault.UNKNOWN if asked is None else _fault(user, asked, now)

    async def _mailed(self, token: str, user: User) -> EmailRequest | None:
        """The request that the token was mailed for; None if it was not mailed."""
        version = self._tokens.version_of(token)
        if not 0 < version <= user.version:
            return None
        then = await self._users.user_at(user.id, Moment(version=version))
        asked = then.user.email_request if then else None
        return asked if asked and self._tokens.matches(token, user.id, asked) else None


def _fault(user: User, asked: EmailRequest, now: datetime) -> LinkFault:
    if user.email_verified and email_key(user.email) == email_key(asked.email):
        return LinkFault.USED
    if user.email_request != asked:
        return LinkFault.REPLACED
    # What is neither used nor replaced nor expired can be refused only for the sake of somebody else.
    return LinkFault.EXPIRED if has_passed(asked.confirm_by, now) else LinkFault.TAKEN
