"""Text with signatures that anybody can verify: C2SP signed-note (https://c2sp.org/signed-note), with Ed25519.

A verifier key is text, too: the key's name, its id in hexadecimal and its public half in base64, joined by plus signs.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
"""The signature type of Ed25519, first octet of a public key."""
KEY_OCTETS = 32
ID_OCTETS = 4
SIGNATURE_OCTETS = 64
_DASH = "\N{EM DASH} "


class NoteInvalidError(ValueError):
    """A note is malformed, or no trusted key has signed it."""


class KeyInvalidError(ValueError):
    """A text is not a verifier key."""


class VerifierKey(msgspec.Struct, frozen=True):
    """The public half of a key."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Distinguishes keys of the same name."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:ID_OCTETS]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.public).decode()}"


class SigningKey(msgspec.Struct, frozen=True):
    """A key to sign with."""

    name: str
    private: bytes

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note with this text, which ends with a line break."""
        return f"{text}\n{self.signature(text)}"

    def signature(self, text: str) -> str:
        """The line that makes a note of this text one that this key has signed as well."""
        signature = self.verifier.id + self._key.sign(text.encode())
        return f"{_DASH}{self.name} {b64encode(signature).decode()}\n"

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.private)


def is_key_name(name: str) -> bool:
    """Whether keys may be called that: visible characters and no plus signs."""
    return bool(name) and name.isprintable() and not any(character.isspace() or character == "+" for character in name)


def parse_verifier_key(text: str) -> VerifierKey:
    """A verifier key from its text. Raises `KeyInvalidError`."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    octets = _decoded(encoded)
    if not is_key_name(name) or octets is None or len(octets) != 1 + KEY_OCTETS or octets[:1] != ED25519:
        raise KeyInvalidError("A verifier key must look like name+0123abcd+base64, with an Ed25519 key.")
    key = VerifierKey(name, octets[1:])
    if key.id.hex() != key_id:
        raise KeyInvalidError("The id in this verifier key does not match its public key.")
    return key


def verified_text(note: str, keys: Sequence[VerifierKey]) -> str:
    """The text of a note that at least one of these keys has signed, and none of them wrongly.

    Raises `NoteInvalidError`.
    """
    text, signers = signed_by(note, keys)
    if not signers:
        raise NoteInvalidError("none of the trusted keys has signed this")
    return text


def signed_by(note: str, keys: Sequence[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """The text of a note, and those of these keys that have signed it.

    Raises `NoteInvalidError` if it is not a note, or if a signature by one of them is invalid.
    """
    text, signatures = _taken_apart(note)
    known = {(key.name, key.id): key for key in keys}
    signers = []
    for name, octets in signatures:
        key = known.get((name, octets[:ID_OCTETS]))
        if key is not None:
            _check(key, octets[ID_OCTETS:], text)
            signers.append(key)
    return text, signers


def _taken_apart(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, separator, block = note.rpartition("\n\n")
    lines = block.removesuffix("\n").split("\n")
    has_form = separator and block.endswith("\n") and not any(ord(c) < ord(" ") and c != "\n" for c in note)
    if not has_form:
        raise NoteInvalidError("this is not a signed note")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    octets = _decoded(encoded)
    if not line.startswith(_DASH) or not is_key_name(name) or octets is None or len(octets) <= ID_OCTETS:
        raise NoteInvalidError("a signature line is malformed")
    return name, octets


def _check(key: VerifierKey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature:
        raise NoteInvalidError("a signature is invalid") from None


def _decoded(text: str) -> bytes | None:
    """What base64 stands for, if it is written in the one way it can be written."""
    try:
        octets = b64decode(text.encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError):
        return None
    return octets if b64encode(octets).decode() == text else None
