"""The receipt of an erasure, in the form it has on the wire."""

from uuid import UUID

from api.proof_views import CheckpointView, InclusionProofView, checkpoint_view, inclusion_view
from api.views import Instant, View
from application.proof.queries import InclusionProof, PublishedCheckpoint
from application.queries import ErasureReceipt


class ErasureView(View, frozen=True):
    """Who was erased, when, by whom and why, and what shows it."""

    user_id: UUID
    position: int
    """Of the fact in the log."""
    recorded_at: Instant
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None
    swept_at: Instant | None
    """When nothing was left of the person in what is kept beside the log."""
    checkpoint: CheckpointView | None
    """Signs the log with that fact, and with all the person's facts before it, unchanged."""
    proof: InclusionProofView | None


def erasure_view(
    receipt: ErasureReceipt, checkpoint: PublishedCheckpoint | None = None, proof: InclusionProof | None = None
) -> ErasureView:
    """A receipt, with its proof if there is one yet."""
    return ErasureView(
        user_id=receipt.user_id,
        position=receipt.position,
        recorded_at=receipt.recorded_at,
        actor=receipt.actor,
        on_behalf_of=receipt.on_behalf_of,
        client=receipt.client,
        reason=receipt.reason,
        command_id=receipt.command_id,
        swept_at=receipt.swept_at,
        checkpoint=checkpoint_view(checkpoint) if checkpoint else None,
        proof=inclusion_view(proof) if proof else None,
    )
