"""Cursors: where the next page begins."""

from application.queries import CursorInvalidError
from infrastructure.secrets.signed_tokens import SignedTokens, TokenMalformedError

CURSOR_MAC_OCTETS = 12


class Cursors:
    """Opaque, signed page marks: base64url of a MAC (12 octets) and the place to go on from."""

    def __init__(self, key: bytes) -> None:
        self._tokens = SignedTokens(key, CURSOR_MAC_OCTETS, mac_first=True)

    def seal(self, query: bytes, place: bytes) -> str:
        """A cursor that is only valid for this query."""
        return self._tokens.issue(place, _signed(query, place))

    def open(self, query: bytes, cursor: str) -> bytes:
        """The place a cursor marks. Raises `CursorInvalidError`."""
        try:
            place = self._tokens.payload(cursor)
        except TokenMalformedError:
            raise CursorInvalidError from None
        if not self._tokens.matches(cursor, place, _signed(query, place)):
            raise CursorInvalidError
        return place


def _signed(query: bytes, place: bytes) -> bytes:
    return len(query).to_bytes(4) + query + place
