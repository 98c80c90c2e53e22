"""The secrets in confirmation mails."""

from uuid import UUID

from domain import errors
from domain.users import EmailRequest
from domain.values import email_key
from infrastructure.secrets.signed_tokens import SignedTokens, TokenMalformedError

TOKEN_MAC_OCTETS = 24


class MailedTokens:
    """Tokens for email requests, made from the request itself: nothing about them is stored anywhere.

    Form: base64url of user id (16 octets), version of the user at which was asked (4), and a MAC (24) over both, the
    address and the deadline.
    """

    def __init__(self, key: bytes) -> None:
        self._tokens = SignedTokens(key, TOKEN_MAC_OCTETS)

    def issue(self, user_id: UUID, request: EmailRequest) -> str:
        """The token for this request of this user."""
        return self._tokens.issue(*_payload_and_signed(user_id, request))

    def user_of(self, token: str) -> UUID:
        """The user a token claims to be for. Raises `VerificationTokenInvalid` for what has not a token's form."""
        return UUID(bytes=self._payload(token)[:16])

    def version_of(self, token: str) -> int:
        """The version of the user at which was asked, as a token claims. Raises like `user_of`."""
        return int.from_bytes(self._payload(token)[16:])

    def matches(self, token: str, user_id: UUID, request: EmailRequest) -> bool:
        """Whether the token was issued for exactly this request."""
        return self._tokens.matches(token, *_payload_and_signed(user_id, request))

    def _payload(self, token: str) -> bytes:
        try:
            payload = self._tokens.payload(token)
        except TokenMalformedError:
            raise errors.VerificationTokenInvalid from None
        if len(payload) != 16 + 4:
            raise errors.VerificationTokenInvalid
        return payload


def _payload_and_signed(user_id: UUID, request: EmailRequest) -> tuple[bytes, bytes]:
    payload = user_id.bytes + request.asked_at_version.to_bytes(4)
    return payload, payload + int(request.confirm_by.timestamp()).to_bytes(8) + email_key(request.email).encode()
