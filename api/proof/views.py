"""Checkpoints, proofs and keys, as the API returns them; hashes are in base64."""

from api.http.views import Instant, View
from application.proof.queries import ConsistencyProof, InclusionProof, PublishedCheckpoint, PublishedKey


class CheckpointView(View, frozen=True):
    """A checkpoint. Only the note is signed; the other fields are for convenience."""

    size: int
    published_at: Instant
    note: str
    """A signed note in the form of C2SP tlog-checkpoint."""


class VerifierKeyView(View, frozen=True):
    """A key that checkpoints are or were signed with, in the form of C2SP signed-note."""

    key: str
    published_at: Instant
    handover: str | None
    """The checkpoint in which the previous key names this one, signed by both; null for the first key."""


class VerifierKeyList(View, frozen=True):
    """All keys, newest first."""

    items: list[VerifierKeyView]


class InclusionProofView(View, frozen=True):
    """Proves that an event is in the tree of a given size (RFC 6962 section 2.1.1)."""

    position: int
    size: int
    leaf_hash: bytes
    root: bytes
    hashes: list[bytes]


class ConsistencyProofView(View, frozen=True):
    """Proves that one tree is the beginning of another (RFC 6962 section 2.1.2)."""

    old_size: int
    new_size: int
    old_root: bytes
    new_root: bytes
    hashes: list[bytes]


def checkpoint_view(published: PublishedCheckpoint) -> CheckpointView:
    """A checkpoint."""
    return CheckpointView(size=published.size, published_at=published.published_at, note=published.note)


def key_list(keys: list[PublishedKey]) -> VerifierKeyList:
    """Every key."""
    return VerifierKeyList(
        items=[VerifierKeyView(key=key.key, published_at=key.published_at, handover=key.handover) for key in keys]
    )


def inclusion_view(proof: InclusionProof) -> InclusionProofView:
    """A proof that an event is in the log."""
    return InclusionProofView(
        position=proof.position,
        size=proof.size,
        leaf_hash=proof.leaf_hash,
        root=proof.root,
        hashes=list(proof.hashes),
    )


def consistency_view(proof: ConsistencyProof) -> ConsistencyProofView:
    """A proof that the log has only grown."""
    return ConsistencyProofView(
        old_size=proof.old_size,
        new_size=proof.new_size,
        old_root=proof.old_root,
        new_root=proof.new_root,
        hashes=list(proof.hashes),
    )
