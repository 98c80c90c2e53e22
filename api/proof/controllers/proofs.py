"""Proofs that nobody has changed the log, to be checked with independent programs."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from api.http.answers import Answer, position_header
from api.http.permissions import Permission
from api.http.problems import Kind
from api.http.query_parameters import HIGHEST_POSITION, reached
from api.http.requests import ApiRequest
from api.proof.views import (
    CheckpointView,
    ConsistencyProofView,
    InclusionProofView,
    VerifierKeyList,
    checkpoint_view,
    consistency_view,
    inclusion_view,
    key_list,
)
from application.proof.queries import Proofs

Size = Annotated[
    int | None,
    QueryParameter(
        name="size", ge=1, le=HIGHEST_POSITION, description="The size of the checkpoint (default: the newest one)."
    ),
]
Position = Annotated[
    int, QueryParameter(name="position", ge=1, le=HIGHEST_POSITION, description="The position of the event.")
]
OldSize = Annotated[
    int, QueryParameter(name="from", ge=1, le=HIGHEST_POSITION, description="The size of the older checkpoint.")
]
NewSize = Annotated[
    int | None,
    QueryParameter(
        name="to", ge=1, le=HIGHEST_POSITION, description="The size of the newer checkpoint (default: the newest one)."
    ),
]


class ProofsController(Controller):
    """The Merkle tree over the log."""

    path = "/audit"
    tags = ("Audit",)

    @get("/keys", public=True)
    async def list_verifier_keys(self, request: ApiRequest) -> Answer[VerifierKeyList]:
        """The keys that checkpoints are or were signed with. Keep your own copy, and compare."""
        return Answer(key_list(await request.service.using(Proofs).keys()), [])

    @get("/checkpoint", permission=Permission.AUDIT_PROVE, refusals=(Kind.NOT_SEALED,))
    async def get_checkpoint(self, request: ApiRequest, size: Size = None) -> Answer[CheckpointView]:
        """The newest checkpoint, or the one of a given size. Checkpoints are kept for ever."""
        found = await request.service.using(Proofs).checkpoint(size)
        return Answer(checkpoint_view(found), [position_header(await reached(request, found.size))])

    @get("/proofs/inclusion", permission=Permission.AUDIT_PROVE, refusals=(Kind.NOT_SEALED,))
    async def prove_inclusion(
        self, request: ApiRequest, position: Position, size: Size = None
    ) -> Answer[InclusionProofView]:
        """Proof that the event at a position is part of the log of a given size."""
        proof = await request.service.using(Proofs).inclusion(position, size)
        return Answer(inclusion_view(proof), [position_header(await reached(request, proof.size))])

    @get("/proofs/consistency", permission=Permission.AUDIT_PROVE, refusals=(Kind.NOT_SEALED,))
    async def prove_consistency(
        self, request: ApiRequest, old: OldSize, new: NewSize = None
    ) -> Answer[ConsistencyProofView]:
        """Proof that the log of one size is the beginning of the log of another size."""
        proof = await request.service.using(Proofs).consistency(old, new)
        return Answer(consistency_view(proof), [position_header(await reached(request, proof.new_size))])
