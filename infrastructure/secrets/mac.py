"""Message authentication codes, with a key that is set up once."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


class Mac:
    """HMAC-SHA-256 (RFC 2104) with one key.

    For messages as short as ours most of the work is the key: so it is done once, not for each of them.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())

    def of(self, message: bytes) -> bytes:
        """The code of a message, 32 octets."""
        mac = self._keyed.copy()
        mac.update(message)
        return mac.finalize()
