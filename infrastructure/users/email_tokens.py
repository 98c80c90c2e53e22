"""The secrets in confirmation mails."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from domain import errors
from domain.users import EmailRequest
from domain.values import email_key

TOKEN_MAC_OCTETS = 24


class MailedTokens:
    """Tokens for email requests, made from the request itself: nothing about them is stored anywhere.

    Form: base64url of user id (16 octets), version of the user at which was asked (4), and a MAC (24) over both, the
    address and the deadline.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, user_id: UUID, request: EmailRequest) -> str:
        """The token for this request of this user."""
        head = user_id.bytes + request.asked_at_version.to_bytes(4)
        signed = head + int(request.confirm_by.timestamp()).to_bytes(8) + email_key(request.email).encode()
        return (
            urlsafe_b64encode(head + hmac.digest(self._key, signed, "sha256")[:TOKEN_MAC_OCTETS]).decode().rstrip("=")
        )

    def user_of(self, token: str) -> UUID:
        """The user a token claims to be for. Raises `VerificationTokenInvalid` for what has not a token's form."""
        return UUID(bytes=_octets_of(token)[:16])

    def version_of(self, token: str) -> int:
        """The version of the user at which was asked, as a token claims. Raises like `user_of`."""
        return int.from_bytes(_octets_of(token)[16:20])

    def matches(self, token: str, user_id: UUID, request: EmailRequest) -> bool:
        """Whether the token was issued for exactly this request."""
        return hmac.compare_digest(token.encode("ascii", "replace"), self.issue(user_id, request).encode())


def _octets_of(token: str) -> bytes:
    try:
        octets = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (ValueError, UnicodeEncodeError):
        raise errors.VerificationTokenInvalid from None
    if len(octets) != 16 + 4 + TOKEN_MAC_OCTETS:
        raise errors.VerificationTokenInvalid
    return octets
