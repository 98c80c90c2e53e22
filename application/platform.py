"""The platform as a use case sees it: load aggregates, save them together, know the time."""

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from domain.email_claims import EmailClaim
from domain.kernel import Aggregate
from domain.users import EmailRequest, User
from domain.values import EmailAddress


class Saved(msgspec.Struct, frozen=True):
    """What a command came to: the aggregate's version after it, and the position in the log that shows it."""

    aggregate_id: UUID
    version: int
    position: int
    recorded_at: datetime


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Times that the business decides."""

    confirm_within: timedelta = timedelta(days=3)
    erase_after: timedelta = timedelta(days=30)
    export_good_for: timedelta = timedelta(hours=24)


class EmailTokens(Protocol):
    """Secrets that prove the receipt of a mail, made from the request itself so that none is ever stored."""

    def issue(self, user_id: UUID, request: EmailRequest) -> str:
        """The token for this request of this user: bound to the user, the address, the request and its deadline."""
        ...

    def user_of(self, token: str) -> UUID:
        """The user a token claims to be for. Raises `VerificationTokenInvalid` for what cannot be a token."""
        ...

    def matches(self, token: str, user_id: UUID, request: EmailRequest) -> bool:
        """Whether the token was issued for exactly this request."""
        ...


class Platform(Protocol):
    """One command's view of the platform: it decides at one instant and saves once."""

    now: datetime
    policy: Policy
    email_tokens: EmailTokens

    async def user(self, user_id: UUID) -> User:
        """The user with this id. Raises `UserNotFound`, and `VersionIsStale` if the command named another version."""
        ...

    async def email_claim(self, address: EmailAddress) -> EmailClaim:
        """The right to this address, vacant if nobody ever claimed it."""
        ...

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new about these aggregates: all of it, or nothing."""
        ...
