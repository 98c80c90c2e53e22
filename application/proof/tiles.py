"""The tree in tiles, to be stored and read in few pieces (after C2SP tlog-tiles, https://c2sp.org/tlog-tiles).

A tile of level t and index i holds the hashes of 256 nodes of tree level 8 * t, from node 256 * i on. A tile that is
full never changes. The ones at the right edge, one for each level, still grow.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeGuard

import msgspec

from application.proof.merkle_tree import HASH_OCTETS, Leaves, Node, bagged, complete_subtrees, pairs_hashed

TILE_LEVELS = 8
TILE_WIDTH = 1 << TILE_LEVELS


class Tile(msgspec.Struct, frozen=True):
    """A full tile."""

    level: int
    index: int
    hashes: bytes


class TiledTree:
    """A tree that leaves are added to; it keeps its right edge only, and hands over each tile that becomes full."""

    def __init__(self, edges: Iterable[bytes] = ()) -> None:
        self._edges = [split_hashes(edge) for edge in edges]
        self._indexes = self._full_tiles()

    @property
    def edges(self) -> list[bytes]:
        """The tiles that are not full, from the lowest level up; how to go on from here another time."""
        return [b"".join(edge) for edge in self._edges]

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return sum(len(edge) << (TILE_LEVELS * level) for level, edge in enumerate(self._edges))

    @property
    def root(self) -> bytes:
        """The hash of the whole tree."""
        peaks = (node for level in reversed(range(len(self._edges))) for node in _peaks(self._edges[level]))
        return bagged(list(peaks))

    def add(self, leaves: Sequence[bytes]) -> Iterator[Tile]:
        """Add the hashes of more leaves; returns the tiles that are now full."""
        yield from self._add(0, leaves)

    def _add(self, level: int, hashes: Sequence[bytes]) -> Iterator[Tile]:
        if level == len(self._edges):
            self._edges.append([])
            self._indexes.append(0)
        pending = [*self._edges[level], *hashes]
        whole = len(pending) - len(pending) % TILE_WIDTH
        self._edges[level] = pending[whole:]
        roots = []
        for begin in range(0, whole, TILE_WIDTH):
            tile = pending[begin : begin + TILE_WIDTH]
            yield Tile(level, self._indexes[level], b"".join(tile))
            self._indexes[level] += 1
            roots.append(subtree_hash(tile))
        if roots:
            yield from self._add(level + 1, roots)

    def _full_tiles(self) -> list[int]:
        size = self.size
        return [size >> (TILE_LEVELS * (level + 1)) for level in range(len(self._edges))]


def tiles_for(leaves: Iterable[Leaves]) -> set[tuple[int, int]]:
    """Level and index of the tiles that the hashes of these ranges are made from."""
    return {tile_of(node) for part in leaves for node in complete_subtrees(part)}


def tile_of(node: Node) -> tuple[int, int]:
    """Level and index of the tile that a node's hash is made from."""
    level, inner = divmod(node.level, TILE_LEVELS)
    return level, (node.number << inner) >> TILE_LEVELS


def node_in_tile(node: Node, hashes: bytes) -> bytes:
    """A node's hash, from its tile. Raises `LookupError` if the tile does not reach as far."""
    inner = node.level % TILE_LEVELS
    begin = ((node.number << inner) % TILE_WIDTH) * HASH_OCTETS
    end = begin + (HASH_OCTETS << inner)
    if end > len(hashes):
        raise LookupError("the tree does not reach as far")
    return subtree_hash(split_hashes(hashes[begin:end]))


def subtree_hash(hashes: Sequence[bytes]) -> bytes:
    """The hash over a number of nodes that is a power of two."""
    while len(hashes) > 1:
        hashes = pairs_hashed(hashes)
    return hashes[0]


def are_hashes(edges: list[Any]) -> TypeGuard[list[bytes]]:
    """Whether each of what should be hashes that were joined can be that."""
    return all(isinstance(edge, bytes) and len(edge) % HASH_OCTETS == 0 for edge in edges)


def split_hashes(hashes: bytes) -> list[bytes]:
    """Hashes that were joined, each by itself."""
    return [hashes[begin : begin + HASH_OCTETS] for begin in range(0, len(hashes), HASH_OCTETS)]


@lru_cache(maxsize=TILE_WIDTH)
def _parts(width: int) -> tuple[tuple[int, int], ...]:
    """Begin and end of the complete subtrees in a tile that is not full."""
    nodes = complete_subtrees(Leaves(0, width))
    return tuple((node.number << node.level, (node.number + 1) << node.level) for node in nodes)


def _peaks(edge: Sequence[bytes]) -> Iterator[bytes]:
    for begin, end in _parts(len(edge)):
        yield subtree_hash(edge[begin:end])
