"""The stored form of an event with personal data: what is personal is sealed, the rest stays readable.

    0x01 | length of the clear part (2 octets, big-endian) | clear part, JSON | nonce (12) | ciphertext and tag (16)

AES-256-GCM with the person's own key; the plaintext is a JSON object of the personal fields. Associated data: stream id
(16 octets), version (4, big-endian), topic in UTF-8, then the clear part, so that nothing sealed is good for another
place or beside other words. A payload without personal data is plain JSON, which begins with `{`, as all payloads did
before sealing.

The person is the one whose stream it is. In a stream that is not that person's, the form says whose key it is:

    0x02 | id of the person (16 octets) | the rest as above, from the length on

and the associated data goes on with that id.

Readable forms, which are never stored, are what is handed to the codec: JSON, or, where the key was destroyed, 0x00 and
the clear part. A reader that wants nothing personal hands over the sealed form itself.
"""

import os
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.encryption.key_encryption import NONCE_OCTETS

JSON, SEALED, SEALED_FOR, ERASED = b"{", b"\x01", b"\x02", b"\x00"
_CLEAR_BEGINS = 3
_NAME_ENDS = 17


class SealBrokenError(ValueError):
    """What was sealed cannot be opened: it was changed, or belongs to another event or another person."""


def seal(
    cipher: AESGCM,
    clear: bytes,
    personal: bytes,
    stream_id: UUID,
    version: int,
    topic: str,
    named: UUID | None = None,
) -> bytes:
    """The stored form of a payload, given as two JSON objects; with the person's id if it is not their stream."""
    nonce = os.urandom(NONCE_OCTETS)
    place = _place(stream_id, version, topic, clear)
    if named is None:
        return b"".join((SEALED, len(clear).to_bytes(2), clear, nonce, cipher.encrypt(nonce, personal, place)))
    sealed = cipher.encrypt(nonce, personal, place + named.bytes)
    return b"".join((SEALED_FOR, named.bytes, len(clear).to_bytes(2), clear, nonce, sealed))


def unseal(cipher: AESGCM, state: bytes, stream_id: UUID, version: int, topic: str, named: bytes = b"") -> bytes:
    """The payload as JSON, from its sealed form in the person's own stream. Raises `SealBrokenError`."""
    end = _CLEAR_BEGINS + int.from_bytes(state[1:_CLEAR_BEGINS])
    begin = end + NONCE_OCTETS
    try:
        place = _place(stream_id, version, topic, state[_CLEAR_BEGINS:end])
        if named:
            place += named
        personal = cipher.decrypt(state[end:begin], state[begin:], place)
    except (InvalidTag, ValueError):
        raise SealBrokenError(topic) from None
    return personal if end == _CLEAR_BEGINS + 2 else state[_CLEAR_BEGINS : end - 1] + b"," + personal[1:]


def unseal_for(cipher: AESGCM, state: bytes, stream_id: UUID, version: int, topic: str) -> bytes:
    """The same from the form that names the person."""
    return unseal(cipher, SEALED + state[_NAME_ENDS:], stream_id, version, topic, named=state[1:_NAME_ENDS])


def subject_in(state: bytes, stream_id: UUID) -> UUID:
    """Whose key opens a stored form: the person it names, or else the one whose stream it is."""
    if state[:1] == SEALED_FOR and len(state) >= _NAME_ENDS:
        return UUID(bytes=state[1:_NAME_ENDS])
    return stream_id


def without_personal(state: bytes, personal: frozenset[str]) -> bytes:
    """The readable form of a payload whose key was destroyed, whether it was stored sealed or, long ago, in clear.

    Raises `SealBrokenError` for what is neither.
    """
    if state[:1] in {SEALED, SEALED_FOR}:
        return ERASED + clear_part(state)
    try:
        fields = msgspec.json.decode(state, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SealBrokenError from None
    return ERASED + msgspec.json.encode({name: value for name, value in fields.items() if name not in personal})


def clear_part(state: bytes) -> bytes:
    """The readable part of a payload in any form, as JSON."""
    if state[:1] == SEALED_FOR:
        state = SEALED + state[_NAME_ENDS:]
    if state[:1] == SEALED:
        return state[_CLEAR_BEGINS : _CLEAR_BEGINS + int.from_bytes(state[1:_CLEAR_BEGINS])]
    return state[1:] if state[:1] == ERASED else state


def _place(stream_id: UUID, version: int, topic: str, clear: bytes) -> bytes:
    return b"".join((stream_id.bytes, version.to_bytes(4), topic.encode(), clear))
