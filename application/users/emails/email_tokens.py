"""The port of the secrets in confirmation mails."""

from typing import Protocol
from uuid import UUID

from domain.users import EmailRequest


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
