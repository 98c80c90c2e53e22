"""Tokens that only we can have made: octets with a message authentication code, as base64url without padding."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from infrastructure.secrets.mac import Mac


class TokenMalformedError(ValueError):
    """A text that cannot be a token of this form."""


class SignedTokens:
    """Tokens of one form: a payload, and the first octets of a MAC behind it or in front of it.

    The MAC is over what the caller says is signed: the payload, and whatever else the token is only good for.
    """

    def __init__(self, key: bytes, mac_octets: int, *, mac_first: bool = False) -> None:
        self._mac = Mac(key)
        self._mac_octets = mac_octets
        self._mac_first = mac_first

    def issue(self, payload: bytes, signed: bytes) -> str:
        """The token with this payload."""
        mac = self._mac.of(signed)[: self._mac_octets]
        octets = mac + payload if self._mac_first else payload + mac
        return urlsafe_b64encode(octets).decode().rstrip("=")

    def payload(self, token: str) -> bytes:
        """What a token claims, whoever made it. Raises `TokenMalformedError`."""
        try:
            octets = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:
            raise TokenMalformedError from None
        if len(octets) < self._mac_octets:
            raise TokenMalformedError
        return octets[self._mac_octets :] if self._mac_first else octets[: -self._mac_octets]

    def matches(self, token: str, payload: bytes, signed: bytes) -> bool:
        """Whether it is the very text that we would issue; another spelling of its octets is not."""
        return hmac.compare_digest(token.encode("ascii", "replace"), self.issue(payload, signed).encode())
