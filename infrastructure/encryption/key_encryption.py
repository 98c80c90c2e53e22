"""The key-encryption key: kept outside the database, it wraps the master keys, which wrap the keys of people."""

import hashlib
import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_OCTETS = 32
NONCE_OCTETS = 12


class KeyUnusableError(Exception):
    """A key cannot be unwrapped: it was wrapped with another one, or is not what it was. Says which, and no secret."""


class KeyEncryptionKey(Protocol):
    """Wraps a few keys, wherever it is kept itself."""

    @property
    def name(self) -> str:
        """Identifies the key without revealing it; stored beside what it has wrapped."""
        ...

    def wrap(self, key: bytes) -> bytes:
        """A key in a form that says nothing to anybody else."""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that was wrapped. Raises `KeyUnusableError`."""
        ...


class LocalKeyEncryptionKey:
    """A secret of 256 bits that this process was given: AES-256-GCM, its own name as associated data."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret[:KEY_OCTETS])
        self.name = "local:" + hashlib.sha256(b"reprise key-encryption key" + secret[:KEY_OCTETS]).hexdigest()[:16]

    def wrap(self, key: bytes) -> bytes:
        """Nonce, then ciphertext and tag."""
        nonce = secrets.token_bytes(NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, key, self.name.encode())

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that was wrapped. Raises `KeyUnusableError`."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_OCTETS], wrapped[NONCE_OCTETS:], self.name.encode())
        except (InvalidTag, ValueError):
            raise KeyUnusableError(
                f"A master key cannot be unwrapped with the key-encryption key {self.name}."
            ) from None
