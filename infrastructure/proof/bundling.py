"""Makes bundles: events as they are stored, with their proofs, for a user or a range of positions."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import msgspec
from msgspec import UNSET

from application.proof.bundles import (
    FORMAT,
    FORMAT_WITH_HANDOVERS,
    BundledEvent,
    BundleHead,
    Growth,
    bundle_lines,
)
from application.proof.checkpoints import Checkpoint
from application.proof.queries import NotSealedError, PublishedCheckpoint
from infrastructure.log.reader import Connection
from infrastructure.proof.key_rotation import published_handovers
from infrastructure.proof.leaf_reader import leaves_at
from infrastructure.proof.stored_tree import consistency_proof, inclusion_proofs

PIECE = 1_000
"""Events proved at a time."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is to be about: a user, or positions from first to last."""

    user: UUID | None = None
    first: int | None = None
    last: int | None = None


def bundle(
    connection: Connection,
    subject: Subject,
    positions: Sequence[int],
    checkpoint: PublishedCheckpoint,
    old: Checkpoint | None = None,
) -> Iterator[bytes]:
    """The lines of a bundle of the events at these positions, as of a checkpoint.

    Raises `NotSealedError` for what that checkpoint does not cover.
    """
    if positions and not 1 <= positions[0] <= positions[-1] <= checkpoint.size:
        raise NotSealedError(positions[-1], checkpoint.size)
    growth = None
    if old is not None and old.size != checkpoint.size:
        growth = Growth(old.size, list(consistency_proof(connection, old.size, checkpoint.size).hashes))
    handovers = published_handovers(connection)
    head = BundleHead(
        format=FORMAT_WITH_HANDOVERS if handovers else FORMAT,
        checkpoint=checkpoint.note,
        events=len(positions),
        user=subject.user,
        first=subject.first,
        last=subject.last,
        growth=growth,
        handovers=handovers or UNSET,
    )
    return bundle_lines(head, _events(connection, positions, checkpoint.size))


def last_checkpoint(connection: Connection) -> PublishedCheckpoint:
    """The newest one. Raises `NotSealedError`."""
    row = connection.execute(
        "SELECT size, note, published_at FROM audit.checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise NotSealedError(1, 0)
    return PublishedCheckpoint(size=row[0], note=row[1], published_at=row[2])


def _events(connection: Connection, positions: Sequence[int], size: int) -> Iterator[BundledEvent]:
    for begin in range(0, len(positions), PIECE):
        piece = positions[begin : begin + PIECE]
        proofs = inclusion_proofs(connection, piece, size)
        for data, proof in zip(leaves_at(connection, list(piece)), proofs, strict=True):
            yield BundledEvent(data, list(proof.hashes))
