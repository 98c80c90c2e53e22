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

from infrastructure.privacy.key_encryption import NONCE_OCTETS

JSON, SEALED, SEALED_FOR, ERASED = b"{", b"\x01", b"\x02", b"\x00"
_LENGTH_OCTETS = 2
# Where the length of the clear part stands.
_BEGINS = {SEALED: 1, SEALED_FOR: 1 + 16}


class SealBrokenError(ValueError):
    """What was sealed cannot be opened: it was changed, or belongs to another event or another person."""


def seal(
    cipher: AESGCM,
    clear: bytes,
    personal: bytes,
    stream_id: UUID,
    version: int,
    topic: str,
    subject_id: UUID | None = None,
) -> bytes:
    """The stored form of a payload, given as two JSON objects; with the person's id if it is not their stream."""
    nonce = os.urandom(NONCE_OCTETS)
    named = b"" if subject_id is None or subject_id == stream_id else subject_id.bytes
    sealed = cipher.encrypt(nonce, personal, _place(stream_id, version, topic, clear, named))
    form = SEALED_FOR + named if named else SEALED
    return b"".join((form, len(clear).to_bytes(_LENGTH_OCTETS), clear, nonce, sealed))


def unseal(cipher: AESGCM, state: bytes, stream_id: UUID, version: int, topic: str) -> bytes:
    """The payload as JSON, from its sealed form. Raises `SealBrokenError`."""
    begins = _BEGINS[state[:1]]
    clear_begins = begins + _LENGTH_OCTETS
    end = clear_begins + int.from_bytes(state[begins:clear_begins])
    nonce_ends = end + NONCE_OCTETS
    try:
        place = _place(stream_id, version, topic, state[clear_begins:end], state[1:begins])
        personal = cipher.decrypt(state[end:nonce_ends], state[nonce_ends:], place)
    except (InvalidTag, ValueError):
        raise SealBrokenError(topic) from None
    return personal if end == clear_begins + 2 else state[clear_begins : end - 1] + b"," + personal[1:]


def is_sealed(state: bytes) -> bool:
    """Whether this is a sealed form."""
    return state[:1] in _BEGINS


def subject_in(state: bytes, stream_id: UUID) -> UUID:
    """Whose key opens a stored form: the person it names, or else the one whose stream it is."""
    return UUID(bytes=state[1:17]) if state[:1] == SEALED_FOR and len(state) > 16 else stream_id  # noqa: PLR2004 - an id


def without_personal(state: bytes, personal: frozenset[str]) -> bytes:
    """The readable form of a payload whose key was destroyed, whether it was stored sealed or, long ago, in clear.

    Raises `SealBrokenError` for what is neither.
    """
    if is_sealed(state):
        return ERASED + clear_part(state)
    try:
        fields = msgspec.json.decode(state, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SealBrokenError from None
    return ERASED + msgspec.json.encode({name: value for name, value in fields.items() if name not in personal})


def clear_part(state: bytes) -> bytes:
    """The readable part of a payload in any form, as JSON."""
    begins = _BEGINS.get(state[:1])
    if begins is None:
        return state[1:] if state[:1] == ERASED else state
    clear_begins = begins + _LENGTH_OCTETS
    return state[clear_begins : clear_begins + int.from_bytes(state[begins:clear_begins])]


def _place(stream_id: UUID, version: int, topic: str, clear: bytes, named: bytes) -> bytes:
    return b"".join((stream_id.bytes, version.to_bytes(4), topic.encode(), clear, named))
