"""Cursors: where the next page begins."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from application.queries import CursorInvalidError

CURSOR_MAC_OCTETS = 12


class Cursors:
    """Opaque, signed page marks: base64url of a MAC (12 octets) and the place to go on from."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, query: bytes, place: bytes) -> str:
        """A cursor that is only valid for this query."""
        return urlsafe_b64encode(self._mac(query, place) + place).decode().rstrip("=")

    def open(self, query: bytes, cursor: str) -> bytes:
        """The place a cursor marks. Raises `CursorInvalidError`."""
        try:
            octets = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (ValueError, UnicodeEncodeError):
            raise CursorInvalidError from None
        mac, place = octets[:CURSOR_MAC_OCTETS], octets[CURSOR_MAC_OCTETS:]
        if not hmac.compare_digest(mac, self._mac(query, place)):
            raise CursorInvalidError
        return place

    def _mac(self, query: bytes, place: bytes) -> bytes:
        return hmac.digest(self._key, len(query).to_bytes(4) + query + place, "sha256")[:CURSOR_MAC_OCTETS]
