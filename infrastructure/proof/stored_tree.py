"""Reads the stored tree: a proof takes one query for the few tiles that it needs."""

from collections.abc import Iterable, Sequence
from typing import Any

from application.proof.merkle_tree import Leaves, Node, consistency_path, hash_of_range, inclusion_path
from application.proof.queries import ConsistencyProof, InclusionProof, NotSealedError
from application.proof.tiles import node_in_tile, tile_of, tiles_for
from infrastructure.log.reader import Connection

# Of the right edge only what is asked for; size and tiles come from one snapshot.
TILES = """
SELECT s.size, w.level, w.index, coalesce(t.hashes, s.edges[w.level + 1])
FROM audit.sealed s CROSS JOIN unnest(%s::smallint[], %s::bigint[]) AS w (level, index)
LEFT JOIN audit.tile t ON t.level = w.level AND t.index = w.index
"""
Row = tuple[Any, ...]


class StoredTree:
    """As much of the tree as some proofs need."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._tiles = {(level, index): hashes or b"" for _, level, index, hashes in rows}

    def inclusion(self, position: int, size: int) -> InclusionProof:
        """That the event at a position is in the tree of a size."""
        return InclusionProof(
            position=position,
            size=size,
            leaf_hash=self._hash_of(Node(0, position - 1)),
            root=self._hash(Leaves(0, size)),
            hashes=[self._hash(part) for part in inclusion_path(position - 1, size)],
        )

    def consistency(self, old: int, new: int) -> ConsistencyProof:
        """That the tree of one size is the beginning of that of another one."""
        return ConsistencyProof(
            old_size=old,
            new_size=new,
            old_root=self._hash(Leaves(0, old)),
            new_root=self._hash(Leaves(0, new)),
            hashes=[self._hash(part) for part in consistency_path(old, new)],
        )

    def _hash(self, leaves: Leaves) -> bytes:
        return hash_of_range(leaves, self._hash_of)

    def _hash_of(self, node: Node) -> bytes:
        return node_in_tile(node, self._tiles[tile_of(node)])


def wanted_tiles(leaves: Iterable[Leaves]) -> list[list[int]]:
    """The parameters of `TILES`."""
    tiles = sorted(tiles_for(leaves))
    return [[level for level, _ in tiles], [index for _, index in tiles]]


def leaves_for_inclusion(positions: Sequence[int], size: int) -> list[Leaves]:
    """What the proofs for these positions are made from. Raises `NotSealedError`."""
    if not all(1 <= position <= size for position in positions):
        raise NotSealedError(max(positions), size)
    paths = (inclusion_path(position - 1, size) for position in positions)
    own = (Leaves(position - 1, position) for position in positions)
    return [Leaves(0, size), *own, *(part for path in paths for part in path)]


def leaves_for_consistency(old: int, new: int) -> list[Leaves]:
    """What such a proof is made from. Raises `NotSealedError`."""
    if not 0 < old <= new:
        raise NotSealedError(old, new)
    return [Leaves(0, old), Leaves(0, new), *consistency_path(old, new)]


def checked(rows: Sequence[Row], size: int) -> StoredTree:
    """The tree, if it reaches as far. Raises `NotSealedError`."""
    if not rows or rows[0][0] < size:
        raise NotSealedError(size, rows[0][0] if rows else 0)
    return StoredTree(rows)


def inclusion_proofs(connection: Connection, positions: Sequence[int], size: int) -> list[InclusionProof]:
    """The proofs for some positions at once. Raises `NotSealedError`."""
    wanted = wanted_tiles(leaves_for_inclusion(positions, size))
    tree = checked(connection.cursor(binary=True).execute(TILES, wanted).fetchall(), size)
    return [tree.inclusion(position, size) for position in positions]


def consistency_proof(connection: Connection, old: int, new: int) -> ConsistencyProof:
    """The proof from one size to another one. Raises `NotSealedError`."""
    wanted = wanted_tiles(leaves_for_consistency(old, new))
    return checked(connection.cursor(binary=True).execute(TILES, wanted).fetchall(), new).consistency(old, new)
