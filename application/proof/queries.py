"""What can be asked about the proof of the log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class NotSealedError(LookupError):
    """The tree does not reach as far, or not yet."""

    def __init__(self, wanted: int, sealed: int) -> None:
        super().__init__(f"the log is sealed up to position {sealed} only, not up to {wanted}")


class PublishedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that was given out."""

    size: int
    note: str
    """The checkpoint itself, as a signed note."""
    published_at: datetime


class PublishedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that checkpoints are or were signed with."""

    key: str
    published_at: datetime
    handover: str | None = None
    """The note by which the key before it has handed over to it."""


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True):
    """Shows that an event is in the tree of a size."""

    position: int
    size: int
    leaf_hash: bytes
    root: bytes
    hashes: Sequence[bytes]


class ConsistencyProof(msgspec.Struct, frozen=True, kw_only=True):
    """Shows that the tree of one size is the beginning of that of another one."""

    old_size: int
    new_size: int
    old_root: bytes
    new_root: bytes
    hashes: Sequence[bytes]


class Proofs(Protocol):
    """What the sealer has made."""

    async def checkpoint(self, size: int | None = None) -> PublishedCheckpoint:
        """The last checkpoint, or the one of a size. Raises `NotSealedError`."""
        ...

    async def keys(self) -> list[PublishedKey]:
        """Every key that checkpoints were ever signed with, the newest first."""
        ...

    async def inclusion(self, position: int, size: int | None = None) -> InclusionProof:
        """The proof for an event in the tree of a size, else of the last checkpoint. Raises `NotSealedError`."""
        ...

    async def consistency(self, old: int, new: int | None = None) -> ConsistencyProof:
        """The proof from one size to another one, else to the last checkpoint. Raises `NotSealedError`."""
        ...
