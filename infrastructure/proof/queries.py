"""Answers what can be asked about the proof of the log, from the stored tree."""

from collections.abc import Iterable, Sequence

from psycopg.rows import class_row

from application.proof.merkle_tree import Leaves
from application.proof.queries import (
    ConsistencyProof,
    InclusionProof,
    NotSealedError,
    PublishedCheckpoint,
    PublishedKey,
)
from infrastructure.proof.stored_tree import (
    TILES,
    Row,
    checked,
    leaves_for_consistency,
    leaves_for_inclusion,
    wanted_tiles,
)
from infrastructure.queries.read_model import Pool

_CHECKPOINT = """
SELECT size, note, published_at FROM audit.checkpoint
WHERE %(size)s::bigint IS NULL OR size = %(size)s ORDER BY size DESC LIMIT 1
"""
_KEYS = "SELECT key, published_at, handover FROM audit.verifier_key ORDER BY published_at DESC, key"


class ProofQueries:
    """The tree, as ports see it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def checkpoint(self, size: int | None = None) -> PublishedCheckpoint:
        """The last checkpoint, or the one of a size. Raises `NotSealedError`."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(PublishedCheckpoint))
            await cursor.execute(_CHECKPOINT, {"size": size})
            found = await cursor.fetchone()
        if found is None:
            raise NotSealedError(size or 1, 0)
        return found

    async def keys(self) -> list[PublishedKey]:
        """Every key that checkpoints were ever signed with, the newest first."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(PublishedKey))
            await cursor.execute(_KEYS)
            return await cursor.fetchall()

    async def inclusion(self, position: int, size: int | None = None) -> InclusionProof:
        """The proof for an event in the tree of a size, else of the last checkpoint. Raises `NotSealedError`."""
        size = size or (await self.checkpoint()).size
        rows = await self._tiles(leaves_for_inclusion([position], size))
        return checked(rows, size).inclusion(position, size)

    async def consistency(self, old: int, new: int | None = None) -> ConsistencyProof:
        """The proof from one size to another one, else to the last checkpoint. Raises `NotSealedError`."""
        new = new or (await self.checkpoint()).size
        rows = await self._tiles(leaves_for_consistency(old, new))
        return checked(rows, new).consistency(old, new)

    async def _tiles(self, leaves: Iterable[Leaves]) -> Sequence[Row]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(TILES, wanted_tiles(leaves))
            return await cursor.fetchall()
