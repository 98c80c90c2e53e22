"""Makes the stored right edge of the tree again, from the log, if that gives the very tree that was signed.

The edge is a cache: where the sealer goes on, so that it need not read the whole log. Everything in it follows from the
events, and the newest checkpoint says what it must come to.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from application.proof.checkpoints import Checkpoint, verified_checkpoint
from application.proof.signed_notes import NoteInvalidError, VerifierKey
from application.proof.tiles import TILE_WIDTH, TiledTree
from infrastructure.log.reader import Connection
from infrastructure.proof.leaf_reader import LeafMissingError, leaf_hashes_in

CHUNK = 65_536
"""Events read at a time."""

# Sealers wait; readers of the tree do not.
_LOCK = "LOCK TABLE audit.sealed IN EXCLUSIVE MODE"
_NEWEST = "SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1"
_TILES = "SELECT count(*) FROM audit.tile WHERE level = 0"
_STORED = "SELECT size, edges FROM audit.sealed"
_REPAIR = """
INSERT INTO audit.sealed (only_one, size, edges) VALUES (true, %s, %s)
ON CONFLICT (only_one) DO UPDATE SET size = excluded.size, edges = excluded.edges
"""


class EdgeNotRepairableError(Exception):
    """The damage is not in the edge: what the log gives is not what was signed. Nothing was changed."""


class EdgeRepair(msgspec.Struct, frozen=True, rename="camel"):
    """What came of it."""

    size: int
    root: bytes
    repaired: bool
    """Whether the stored edge was another one."""


def repair_edge(
    connection: Connection, keys: Sequence[VerifierKey], show: Callable[[int, int], None] = lambda _, __: None
) -> EdgeRepair:
    """Have the edge follow from the log again, as its owner. Raises `EdgeNotRepairableError`."""
    with connection.transaction():
        connection.execute(_LOCK)
        signed = _newest(connection, keys)
        tree = _tree_of_log(connection, signed.size if signed else 0, show)
        if signed and tree.root != signed.root:
            raise EdgeNotRepairableError(f"the first {tree.size} events are not those that were signed")
        _require_tiles(connection, tree.size)
        if connection.cursor(binary=True).execute(_STORED).fetchall() == [(tree.size, tree.edges)]:
            return EdgeRepair(tree.size, tree.root, repaired=False)
        connection.execute(_REPAIR, (tree.size, tree.edges))
    return EdgeRepair(tree.size, tree.root, repaired=True)


def _newest(connection: Connection, keys: Sequence[VerifierKey]) -> Checkpoint | None:
    row = connection.execute(_NEWEST).fetchone()
    try:
        return verified_checkpoint(row[0], keys) if row else None
    except NoteInvalidError as error:
        raise EdgeNotRepairableError(f"the last checkpoint cannot be trusted: {error}") from None


def _tree_of_log(connection: Connection, size: int, show: Callable[[int, int], None]) -> TiledTree:
    tree = TiledTree()
    try:
        for after in range(0, size, CHUNK):
            hashes = leaf_hashes_in(connection, after, min(after + CHUNK, size))
            deque(tree.add(hashes), maxlen=0)  # Full tiles are stored elsewhere.
            show(tree.size, size)
    except LeafMissingError as error:
        raise EdgeNotRepairableError(str(error)) from None
    return tree


def _require_tiles(connection: Connection, size: int) -> None:
    """The edge is what is beside full tiles; without them, or with more of them, it would prove nothing."""
    row = connection.execute(_TILES).fetchone()
    if row != (size // TILE_WIDTH,):
        raise EdgeNotRepairableError(f"the tiles of the stored tree are not those of {size} events")
