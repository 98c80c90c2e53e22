"""The platform as a use case sees it: load aggregates, save them together, know the time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from domain.email_claims import EmailClaim
from domain.kernel import Aggregate
from domain.limits import Limit
from domain.users import EmailRequest, User
from domain.values import EmailAddress


class Saved(msgspec.Struct, frozen=True):
    """The result of a command: the aggregate's new version, and the log position that includes the change."""

    aggregate_id: UUID
    version: int
    position: int
    recorded_at: datetime


DAY = timedelta(hours=24)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Times and limits that the business decides."""

    confirm_within: timedelta = timedelta(days=3)
    erase_after: timedelta = timedelta(days=30)
    export_good_for: timedelta = timedelta(hours=24)
    email_requests: Limit = Limit(4, DAY)
    """How often one account may ask for a mail that confirms an address."""
    mails_to_address: Limit = Limit(5, DAY)
    """How many mails one address is sent, whoever asks for them. One more than an account may ask for: what an account
    does by itself, its registration included, it is told to be too much before mails are withheld."""


class EmailTokens(Protocol):
    """Secrets that prove the receipt of a mail, made from the request itself so that none is ever stored."""

    def issue(self, user_id: UUID, request: EmailRequest) -> str:
        """The token for this request of this user: bound to the user, the address, the request and its deadline."""
        ...

    def user_of(self, token: str) -> UUID:
        """The user a token claims to be for. Raises `VerificationTokenInvalid` for what cannot be a token."""
        ...

    def version_of(self, token: str) -> int:
        """The version of the user at which was asked, as a token claims. Raises like `user_of`."""
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
        """The user with this id.

        Raises `UserNotFound`, `VersionIsStale` if the command named another version, and `HistoryUnreadableError`.
        """
        ...

    async def unread_user(self, user_id: UUID) -> User:
        """The user with this id as far as that is known without reading anything. Raises like `user`."""
        ...

    async def claims_naming(self, user_id: UUID) -> Sequence[EmailClaim]:
        """The claims that were ever this user's, found without reading the user; without those that are unreadable."""
        ...

    async def email_claim(self, address: EmailAddress, *, as_if_vacant: bool = False) -> EmailClaim:
        """The claim of an address, vacant if nobody has ever claimed it.

        Where most addresses were never claimed, it may at first be taken `as_if_vacant`, and the use case be run again
        if that was wrong. How long a command takes then tells whether it was.
        """
        ...

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new about these aggregates: all of it, or nothing."""
        ...
