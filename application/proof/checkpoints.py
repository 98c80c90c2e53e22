"""Checkpoints: what the tree was at a size, signed (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint)."""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

import msgspec

from application.proof.merkle_tree import HASH_OCTETS
from application.proof.signed_notes import NoteInvalidError, SigningKey, VerifierKey, verified_text

_SIZE = re.compile("0|[1-9][0-9]{0,18}")
_LINES = 3


class Checkpoint(msgspec.Struct, frozen=True):
    """The root of the tree over the first `size` events of the log that `origin` names."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def signed(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The checkpoint as a note."""
    return key.sign(checkpoint.text)


def verified_checkpoint(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note that one of these keys has signed in the log's name. Raises `NoteInvalidError`."""
    checkpoint = parse_checkpoint(verified_text(note, keys))
    verified_text(note, [key for key in keys if key.name == checkpoint.origin])
    return checkpoint


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in the text of a note. Lines after the third are extensions, which mean nothing here."""
    origin, size, root, *_ = [*text.split("\n"), *[""] * _LINES]
    try:
        octets = b64decode(root, validate=True)
    except Base64Error:
        octets = b""
    if not origin or not _SIZE.fullmatch(size) or len(octets) != HASH_OCTETS or b64encode(octets).decode() != root:
        raise NoteInvalidError("this is not a checkpoint")
    return Checkpoint(origin, int(size), octets)
