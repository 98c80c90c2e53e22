"""The receipt of an erasure, as the API returns it."""

from uuid import UUID

import msgspec

from api.http.views import Instant, View
from api.proof.views import CheckpointView, InclusionProofView, checkpoint_view, inclusion_view
from application.ports import Service
from application.privacy.erasures import Erasures
from application.proof.queries import NotSealedError, Proofs


class ErasureView(View, frozen=True):
    """Who was erased, when, by whom and why, and the proof."""

    user_id: UUID
    position: int
    """The position of the erasure event."""
    recorded_at: Instant
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None
    swept_at: Instant | None
    """When the data stored beside the log had been deleted, too."""
    checkpoint: CheckpointView | None
    """A signed checkpoint that covers this event and all earlier events of the person, unchanged."""
    proof: InclusionProofView | None


async def erasure_view(service: Service, user_id: UUID) -> ErasureView | None:
    """The receipt for a user who was erased, with its proof if there is one yet."""
    receipt = await service.using(Erasures).receipt(user_id)
    if receipt is None:
        return None
    try:
        checkpoint = await service.using(Proofs).checkpoint()
        proof = await service.using(Proofs).inclusion(receipt.position, checkpoint.size)
    except NotSealedError:
        return ErasureView(**msgspec.structs.asdict(receipt), checkpoint=None, proof=None)
    return ErasureView(
        **msgspec.structs.asdict(receipt), checkpoint=checkpoint_view(checkpoint), proof=inclusion_view(proof)
    )
