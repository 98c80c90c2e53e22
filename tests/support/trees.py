"""Trees in memory, tiled as they are stored."""

from collections.abc import Iterable, Sequence

from application.proof.merkle_tree import (
    Leaves,
    Node,
    consistency_path,
    hash_of_range,
    inclusion_path,
    leaf_hash,
)
from application.proof.tiles import TiledTree, node_in_tile, tile_of


def leaf_data(count: int) -> list[bytes]:
    """So many different leaves."""
    return [b"leaf %d" % number for number in range(count)]


class StoredTree:
    """A tree with all its tiles."""

    def __init__(self, leaves: Sequence[bytes], steps: Iterable[int] = ()) -> None:
        self.tree = TiledTree()
        self.tiles: dict[tuple[int, int], bytes] = {}
        self._hashes: dict[Node, bytes] = {}
        begin = 0
        for end in [*steps, len(leaves)]:
            for tile in self.tree.add([leaf_hash(leaf) for leaf in leaves[begin:end]]):
                assert (tile.level, tile.index) not in self.tiles
                self.tiles[tile.level, tile.index] = tile.hashes
            begin = end
        for level, edge in enumerate(self.tree.edges):
            self.tiles[level, self.tree.size >> (8 * (level + 1))] = edge

    def root(self, size: int) -> bytes:
        return self.hashes([Leaves(0, size)])[0]

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return self.hashes(inclusion_path(index, size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        return self.hashes(consistency_path(old, new))

    def hashes(self, ranges: Sequence[Leaves]) -> list[bytes]:
        return [hash_of_range(part, self._hash_of) for part in ranges]

    def _hash_of(self, node: Node) -> bytes:
        if node not in self._hashes:
            self._hashes[node] = node_in_tile(node, self.tiles[tile_of(node)])
        return self._hashes[node]
