"""The stored form of an event with personal data: what is personal is sealed, the rest stays readable.

    0x01 | length of the clear part (2 octets, big-endian) | clear part, JSON | nonce (12) | ciphertext and tag (16)

AES-256-GCM with the person's own key; the plaintext is a JSON object of the personal fields. Associated data: stream id
(16 octets), version (4, big-endian), topic in UTF-8, then the clear part, so that nothing sealed is good for another
place or beside other words. A payload without personal data is plain JSON, which begins with `{`, as all payloads did
before sealing.

Readable forms, which are never stored, are what is handed to the codec: JSON, or, where the key was destroyed, 0x00 and
the clear part. A reader that wants nothing personal hands over the sealed form itself.
"""

import os
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.privacy.key_encryption import NONCE_OCTETS

JSON, SEALED, ERASED = b"{", b"\x01", b"\x00"
_CLEAR_BEGINS = 3


class SealBrokenError(ValueError):
    """What was sealed cannot be opened: it was changed, or belongs to another event or another person."""


def seal(cipher: AESGCM, clear: bytes, personal: bytes, stream_id: UUID, version: int, topic: str) -> bytes:
    """The stored form of a payload, given as two JSON objects."""
    nonce = os.urandom(NONCE_OCTETS)
    sealed = cipher.encrypt(nonce, personal, _place(stream_id, version, topic, clear))
    return b"".join((SEALED, len(clear).to_bytes(2), clear, nonce, sealed))


def unseal(cipher: AESGCM, state: bytes, stream_id: UUID, version: int, topic: str) -> bytes:
    """The payload as JSON, from its sealed form. Raises `SealBrokenError`."""
    end = _CLEAR_BEGINS + int.from_bytes(state[1:_CLEAR_BEGINS])
    begin = end + NONCE_OCTETS
    try:
        place = _place(stream_id, version, topic, state[_CLEAR_BEGINS:end])
        personal = cipher.decrypt(state[end:begin], state[begin:], place)
    except (InvalidTag, ValueError):
        raise SealBrokenError(topic) from None
    return personal if end == _CLEAR_BEGINS + 2 else state[_CLEAR_BEGINS : end - 1] + b"," + personal[1:]


def without_personal(state: bytes, personal: frozenset[str]) -> bytes:
    """The readable form of a payload whose key was destroyed, whether it was stored sealed or, long ago, in clear.

    Raises `SealBrokenError` for what is neither.
    """
    if state[:1] == SEALED:
        return ERASED + clear_part(state)
    try:
        fields = msgspec.json.decode(state, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SealBrokenError from None
    return ERASED + msgspec.json.encode({name: value for name, value in fields.items() if name not in personal})


def clear_part(state: bytes) -> bytes:
    """The readable part of a payload in any form, as JSON."""
    if state[:1] == SEALED:
        return state[_CLEAR_BEGINS : _CLEAR_BEGINS + int.from_bytes(state[1:_CLEAR_BEGINS])]
    return state[1:] if state[:1] == ERASED else state


def _place(stream_id: UUID, version: int, topic: str, clear: bytes) -> bytes:
    return b"".join((stream_id.bytes, version.to_bytes(4), topic.encode(), clear))
