"""Proofs: that nobody rewrote the log, for whoever wants to check it with programs of their own."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from api.answers import Answer, position_header
from api.permissions import Permission
from api.problems import Kind
from api.proof_views import (
    CheckpointView,
    ConsistencyProofView,
    InclusionProofView,
    VerifierKeyList,
    checkpoint_view,
    consistency_view,
    inclusion_view,
    key_list,
)
from api.queries import HIGHEST_POSITION, reached
from api.requests import ApiRequest

Size = Annotated[
    int | None,
    QueryParameter(name="size", ge=1, le=HIGHEST_POSITION, description="As of this many events; else the newest."),
]
Position = Annotated[
    int, QueryParameter(name="position", ge=1, le=HIGHEST_POSITION, description="Of the event to be proved.")
]
OldSize = Annotated[
    int, QueryParameter(name="from", ge=1, le=HIGHEST_POSITION, description="The size of the older checkpoint.")
]
NewSize = Annotated[
    int | None,
    QueryParameter(name="to", ge=1, le=HIGHEST_POSITION, description="The size of the newer one; else the newest."),
]


class ProofsController(Controller):
    """The Merkle tree over the log."""

    path = "/audit"
    tags = ("Audit",)

    @get("/keys", public=True)
    async def list_verifier_keys(self, request: ApiRequest) -> Answer[VerifierKeyList]:
        """Every key that checkpoints are or were signed with. Whoever wants proof keeps them, and compares."""
        return Answer(key_list(await request.service.proofs.keys()), [])

    @get("/checkpoint", permission=Permission.AUDIT_PROVE, refusals=(Kind.NOT_SEALED,))
    async def get_checkpoint(self, request: ApiRequest, size: Size = None) -> Answer[CheckpointView]:
        """The newest checkpoint, or the one that was published at a size; they are kept for ever."""
        found = await request.service.proofs.checkpoint(size)
        return Answer(checkpoint_view(found), [position_header(await reached(request, found.size))])

    @get("/proofs/inclusion", permission=Permission.AUDIT_PROVE, refusals=(Kind.NOT_SEALED,))
    async def prove_inclusion(
        self, request: ApiRequest, position: Position, size: Size = None
    ) -> Answer[InclusionProofView]:
        """Proof that the event at a position is part of the log, as of a size."""
        proof = await request.service.proofs.inclusion(position, size)
        return Answer(inclusion_view(proof), [position_header(await reached(request, proof.size))])

    @get("/proofs/consistency", permission=Permission.AUDIT_PROVE, refusals=(Kind.NOT_SEALED,))
    async def prove_consistency(
        self, request: ApiRequest, old: OldSize, new: NewSize = None
    ) -> Answer[ConsistencyProofView]:
        """Proof that the log as of one size is the beginning of the log as of another one."""
        proof = await request.service.proofs.consistency(old, new)
        return Answer(consistency_view(proof), [position_header(await reached(request, proof.new_size))])
