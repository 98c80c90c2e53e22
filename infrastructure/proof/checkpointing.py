"""The checkpointer: follows the log, adds it to the Merkle tree, and signs the tree.

Any number may run. Tiles, progress and checkpoint move in one transaction under one row lock, by compare-and-set, so
each event becomes exactly one leaf, even if some of them die. A checkpointer only continues a tree that was signed by a
key of this log, so somebody who can merely write to the database cannot make it sign two histories.
"""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from application.proof.checkpoints import Checkpoint, signed, verified_checkpoint
from application.proof.signed_notes import NoteInvalidError, SigningKey, VerifierKey
from application.proof.tiles import Tile, TiledTree, are_hashes
from infrastructure.log.reader import Connection, read_head
from infrastructure.proof.leaf_reader import LeafMissingError, leaf_hashes_in
from infrastructure.proof.signing_keys import CheckpointKeyFile, CheckpointKeys

BATCH = 65_536
"""Events in one transaction."""
PUBLISH_SECONDS = 0.4
"""How long a checkpoint waits for more events to come, after the one before: an event is under one within a second."""

_SEALED = "SELECT size, edges FROM audit.sealed"


class TreeUnsoundError(Exception):
    """What is stored of the tree, or the log itself, is not what was signed. Nothing more is signed on top of it."""


class Sealing(msgspec.Struct, frozen=True):
    """Where the checkpointer is after a batch."""

    size: int
    head: int


def seal_batch(connection: Connection, keys: CheckpointKeys, limit: int = BATCH) -> Sealing | None:
    """Make the next events part of the tree and publish a checkpoint, all or nothing.

    None if another checkpointer is at it right now. Raises `TreeUnsoundError`; then nothing has changed.
    """
    with connection.transaction():
        tree = _locked_tree(connection)
        if tree is None:
            return None
        size, head = tree.size, read_head(connection).position
        _check_signed(connection, tree, keys)
        _publish_key(connection, keys.signing.verifier)
        if head < size:
            raise TreeUnsoundError(f"the log ends at position {head}, but {size} events were sealed")
        upto = min(size + limit, head)
        if upto > size:
            _store_tiles(connection, list(tree.add(_hashes(connection, size, upto))))
            _move_on(connection, size, tree)
            _publish(connection, tree, keys.signing)
    return Sealing(upto, head)


def sealed_checkpoint(connection: Connection, keys: CheckpointKeys) -> Checkpoint:
    """The newest checkpoint; no checkpointer continues before the caller's transaction ends.

    Raises `TreeUnsoundError`.
    """
    tree = _tree(connection.cursor(binary=True).execute(f"{_SEALED} FOR UPDATE").fetchone())
    _check_signed(connection, tree, keys)
    return Checkpoint(keys.signing.name, tree.size, tree.root)


def seal_to_head(connection: Connection, keys: CheckpointKeys) -> int:
    """Wait until every event of the log is sealed, by this process or another; returns how many are sealed."""
    head = read_head(connection).position
    while (sealing := seal_batch(connection, keys)) is None or sealing.size < head:
        if sealing is None:
            time.sleep(0.02)
    return sealing.size


class Checkpointer:
    """Seals again and again, and not more often than checkpoints should be published."""

    def __init__(self, key_file: CheckpointKeyFile) -> None:
        self._key_file = key_file
        self._next = 0.0

    def seal_due(self, connection: Connection) -> bool:
        """Seal new events if it is time to; true if there is more to do immediately."""
        if time.monotonic() < self._next or not _is_behind(connection):
            return False
        sealing = seal_batch(connection, self._key_file.keys())
        if sealing is None or sealing.size < sealing.head:
            return sealing is not None
        self._next = time.monotonic() + PUBLISH_SECONDS
        return False


def _is_behind(connection: Connection) -> bool:
    row = connection.execute('SELECT h."position" <> s.size FROM log.tip h, audit.sealed s', prepare=True).fetchone()
    return bool(row and row[0])


def _locked_tree(connection: Connection) -> TiledTree | None:
    row = connection.cursor(binary=True).execute(f"{_SEALED} FOR UPDATE SKIP LOCKED").fetchone()
    if row is None and connection.execute(_SEALED).fetchone():
        return None
    return _tree(row)


def _tree(row: tuple[int, list[Any]] | None) -> TiledTree:
    if row is None:
        raise TreeUnsoundError("it is not stored how far the log is sealed")
    size, edges = row
    if not are_hashes(edges):
        raise TreeUnsoundError("the edges of the stored tree are no hashes")
    tree = TiledTree(edges)
    if tree.size != size:
        raise TreeUnsoundError("the edges of the stored tree do not match its size")
    return tree


def _check_signed(connection: Connection, tree: TiledTree, keys: CheckpointKeys) -> None:
    """What is sealed so far must have been signed by us: keys that are merely found in the database prove nothing."""
    row = connection.execute("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    if row is None and tree.size == 0:
        return
    try:
        last = verified_checkpoint(row[0] if row else "", keys.trusted)
    except NoteInvalidError as error:
        raise TreeUnsoundError(f"the last checkpoint cannot be trusted: {error}") from None
    if last != Checkpoint(keys.signing.name, tree.size, tree.root):
        raise TreeUnsoundError(f"the stored tree of {tree.size} events is not the one signed at size {last.size}")


def _publish_key(connection: Connection, key: VerifierKey) -> None:
    connection.execute(
        "INSERT INTO audit.verifier_key (key) VALUES (%s) ON CONFLICT DO NOTHING", (str(key),), prepare=True
    )


def _hashes(connection: Connection, after: int, upto: int) -> list[bytes]:
    try:
        return leaf_hashes_in(connection, after, upto)
    except LeafMissingError as error:
        raise TreeUnsoundError(str(error)) from None


def _store_tiles(connection: Connection, tiles: Sequence[Tile]) -> None:
    if tiles:
        with connection.cursor().copy("COPY audit.tile (level, index, hashes) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int2", "int8", "bytea"])
            for tile in tiles:
                copy.write_row((tile.level, tile.index, tile.hashes))


def _move_on(connection: Connection, old_size: int, tree: TiledTree) -> None:
    moved = connection.execute(
        "UPDATE audit.sealed SET size = %s, edges = %s WHERE size = %s", (tree.size, tree.edges, old_size), prepare=True
    )
    if moved.rowcount != 1:
        raise TreeUnsoundError("another sealer has changed the tree in spite of the lock")


def _publish(connection: Connection, tree: TiledTree, key: SigningKey) -> None:
    note = signed(Checkpoint(key.name, tree.size, tree.root), key)
    connection.execute("INSERT INTO audit.checkpoint (size, note) VALUES (%s, %s)", (tree.size, note), prepare=True)
