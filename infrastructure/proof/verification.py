"""Verifies the whole log: computes the tree again from the stored events, and compares it with every checkpoint.

Only keys and checkpoints from outside prove anything to an outsider. Findings name the wrong position, so that it can
be examined.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise, zip_longest

import msgspec
import psycopg

from application.proof.checkpoints import Checkpoint, verified_checkpoint
from application.proof.leaves import LeafInvalidError, glance, position_of
from application.proof.merkle_tree import HASH_OCTETS, leaf_hash
from application.proof.signed_notes import NoteInvalidError, VerifierKey
from application.proof.tiles import TILE_WIDTH, Tile, TiledTree, are_hashes, split_hashes
from infrastructure.log.event_codec import UndecodableEventError, UnknownTopicError, check
from infrastructure.log.reader import Connection, read_head
from infrastructure.proof.leaf_reader import leaves_in

CHUNK = 65_536
"""Positions verified at a time: some ten megabytes."""
FINDINGS_LIMIT = 1_000
"""The maximum number of findings."""

_OUT_OF_ORDER = """
SELECT e."position" FROM log.event e
WHERE e."position" > %s AND e."position" <= %s AND e.version > 1 AND NOT EXISTS (
    SELECT FROM log.event before
    WHERE before.stream_id = e.stream_id AND before.version = e.version - 1 AND before."position" < e."position")
ORDER BY e."position"
"""
_NO_HASH = bytes(HASH_OCTETS)
_STRAY = """
SELECT e."position" FROM log.event e, log.tip h
WHERE e."position" > h."position" OR e."position" < 1 ORDER BY e."position" LIMIT 100
"""


class Finding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something that is not as it must be."""

    kind: str
    message: str
    position: int | None = None


class VerificationProgress(msgspec.Struct, frozen=True):
    """How far the verification is."""

    done: int
    total: int


class LogVerification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result."""

    events: int
    sealed: int
    checkpoints: int
    root: bytes
    findings: list[Finding]


def verify_log(
    conninfo: str,
    keys: Sequence[VerifierKey],
    old: Sequence[Checkpoint] = (),
    show: Callable[[VerificationProgress], None] = lambda _: None,
) -> LogVerification:
    """Verify everything up to the present head; `old` are checkpoints that somebody has kept."""
    with (
        psycopg.connect(conninfo, autocommit=True) as reading,
        psycopg.connect(conninfo, autocommit=True) as ordering,
        psycopg.connect(conninfo, autocommit=True) as asking,
        ThreadPoolExecutor(2, thread_name_prefix="log-verification") as ahead,
    ):
        return _Verifying(reading, ordering, asking, keys, old).run(ahead, show)


class _Verifying:
    """One verification; the database puts the versions in order and reads ahead while hashes are made here."""

    def __init__(
        self,
        reading: Connection,
        ordering: Connection,
        asking: Connection,
        keys: Sequence[VerifierKey],
        old: Sequence[Checkpoint],
    ) -> None:
        self._reading = reading
        self._ordering = ordering
        self._asking = asking
        self._keys = keys
        self._old = sorted(old, key=lambda checkpoint: checkpoint.size)
        self._tree = TiledTree()
        self._edges: list[bytes] = []
        self._sealed = 0
        self._last_instant = b""
        self._signed_to = 0
        self._roots_differ = False
        self._checkpoints = 0
        self._notes: dict[int, str] = {}
        self._findings: list[Finding] = []

    def run(self, ahead: ThreadPoolExecutor, show: Callable[[VerificationProgress], None]) -> LogVerification:
        head = read_head(self._asking).position
        self._sealed, self._edges = self._stored_progress()
        end = max(head, self._sealed)
        chunks = [(after, min(after + CHUNK, end)) for after in range(0, end, CHUNK)]
        reading = deque(self._ahead(ahead, *chunk) for chunk in chunks[:1])
        for (after, upto), following in zip_longest(chunks, chunks[1:]):
            leaves, disordered = reading.popleft()
            fetched = leaves.result()
            if following:
                reading.append(self._ahead(ahead, *following))
            self._verify_chunk(after, upto, fetched)
            for position in disordered.result():
                self._note("version", "the version before this one in its stream is not before it", position)
            show(VerificationProgress(upto, end))
            if len(self._findings) >= FINDINGS_LIMIT:
                break
        self._verify_ends(head)
        return LogVerification(
            events=head,
            sealed=self._sealed,
            checkpoints=self._checkpoints,
            root=self._tree.root,
            findings=sorted(self._findings, key=lambda finding: finding.position or 0)[:FINDINGS_LIMIT],
        )

    def _ahead(self, pool: ThreadPoolExecutor, after: int, upto: int) -> tuple[Future[list[bytes]], Future[list[int]]]:
        return pool.submit(self._fetch, after, upto), pool.submit(self._disordered, after, upto)

    def _fetch(self, after: int, upto: int) -> list[bytes]:
        return list(leaves_in(self._reading, after, upto))

    def _disordered(self, after: int, upto: int) -> list[int]:
        return [position for (position,) in self._ordering.execute(_OUT_OF_ORDER, (after, upto))]

    def _stored_progress(self) -> tuple[int, list[bytes]]:
        row = self._asking.cursor(binary=True).execute("SELECT size, edges FROM audit.sealed").fetchone()
        if row is None:
            return 0, []
        size, edges = row
        return size, edges if are_hashes(edges) else []  # In the end, the edge is compared with the right one.

    def _verify_chunk(self, after: int, upto: int, leaves: list[bytes]) -> None:
        hashes = self._hashes(after, upto, leaves)
        sealed = self._against_stored(after, hashes)
        for begin, end in self._pieces(after, after + len(sealed)):
            for tile in self._tree.add(sealed[begin - after : end - after]):
                self._verify_tile(tile)
            self._verify_roots(end)

    def _hashes(self, after: int, upto: int, leaves: list[bytes]) -> list[bytes | None]:
        """The hash of each position's leaf, None where it is missing."""
        hashes: list[bytes | None] = [None] * (upto - after)
        for data in leaves:
            position = position_of(data)
            hashes[position - after - 1] = leaf_hash(data)
            self._verify_event(position, data)
        for place, found in enumerate(hashes):
            if found is None:
                self._note("missing", "there is no event at this position", after + place + 1)
        return hashes

    def _verify_event(self, position: int, data: bytes) -> None:
        try:
            instant, topic, state = glance(data)
            check(topic, state)
        except UnknownTopicError:
            self._note("topic", "the topic is not known", position)
            return
        except (UndecodableEventError, LeafInvalidError):
            self._note("state", "the event cannot be decoded", position)
            return
        if instant < self._last_instant:
            self._note("time", "the event was recorded before the one before it", position)
        else:
            self._last_instant = instant

    def _against_stored(self, after: int, hashes: list[bytes | None]) -> list[bytes]:
        """The hashes that were sealed; each that the log does not have (any more) is a finding."""
        stored = self._stored_leaves(after, min(after + len(hashes), self._sealed))
        for place, (found, sealed) in enumerate(zip(hashes, stored, strict=False)):
            if found is not None and sealed is not None and found != sealed:
                self._note("changed", "the event is not the one that was sealed", after + place + 1)
        return [sealed or found or _NO_HASH for found, sealed in zip(hashes, stored, strict=False)]

    def _stored_leaves(self, after: int, upto: int) -> list[bytes | None]:
        """The sealed hashes of the leaves in (after, upto], None where lost; `after` is where a tile begins."""
        if upto <= after:
            return []
        rows = self._asking.cursor(binary=True).execute(
            "SELECT index, hashes FROM audit.tile WHERE level = 0 AND index >= %s AND index < %s",
            (after // TILE_WIDTH, upto // TILE_WIDTH),
        )
        tiles: dict[int, bytes] = dict(rows.fetchall())
        stored: list[bytes | None] = []
        for index in range(after // TILE_WIDTH, upto // TILE_WIDTH):
            if index not in tiles:
                self._note("tree", f"tile {index} of the stored tree is missing", index * TILE_WIDTH + 1)
            stored += split_hashes(tiles[index]) if index in tiles else [None] * TILE_WIDTH
        edge = split_hashes(self._edges[0]) if self._edges else []
        return (stored + edge + [None] * TILE_WIDTH)[: upto - after]

    def _verify_tile(self, tile: Tile) -> None:
        """The tiles of the lowest level are what the tree is made from here; those above must follow from them."""
        if tile.level == 0:
            return
        row = (
            self._asking.cursor(binary=True)
            .execute("SELECT hashes FROM audit.tile WHERE level = %s AND index = %s", (tile.level, tile.index))
            .fetchone()
        )
        if row is None or row[0] != tile.hashes:
            self._note("tree", f"tile {tile.index} of level {tile.level} of the stored tree does not follow from below")

    def _pieces(self, after: int, upto: int) -> Iterator[tuple[int, int]]:
        """The range, cut wherever a checkpoint was published or kept."""
        rows = self._asking.execute(
            "SELECT size, note FROM audit.checkpoint WHERE size > %s AND size <= %s", (after, upto)
        ).fetchall()
        self._notes = dict(rows)
        sizes = {old.size for old in self._old if after < old.size <= upto}
        yield from pairwise(sorted({after, upto, *self._notes, *sizes}))

    def _verify_roots(self, size: int) -> None:
        for old in self._old:
            if old.size == size and old.root != self._tree.root:
                self._note("rewritten", f"the first {size} events are not those of the older checkpoint", size)
        if size not in self._notes or self._roots_differ:
            return
        self._checkpoints += 1
        try:
            signed = verified_checkpoint(self._notes[size], self._keys)
        except NoteInvalidError as error:
            self._note("checkpoint", f"the checkpoint of {size} events: {error}", size)
            return
        if (signed.size, signed.root) != (size, self._tree.root):
            self._roots_differ = True
            place = f"positions {self._signed_to + 1} to {size}" if self._signed_to + 1 < size else f"position {size}"
            self._note("rewritten", f"{place}: the events are not those that were signed", self._signed_to + 1)
        self._signed_to = size

    def _verify_ends(self, head: int) -> None:
        if head < self._sealed:
            self._note("missing", f"the log ends at {head}, and {self._sealed} events were sealed", head + 1)
        for (position,) in self._asking.execute(_STRAY):
            self._note("stray", "there is an event beyond the ends of the log", position)
        last = self._asking.execute("SELECT max(size) FROM audit.checkpoint").fetchone()
        if self._tree.size == self._sealed and (last is None or (last[0] or 0) < self._sealed):
            self._note("checkpoint", f"no checkpoint covers all {self._sealed} events that were sealed", self._sealed)
        if last is not None and (last[0] or 0) > self._sealed_now():
            self._note("missing", f"{last[0]} events were signed, and the tree has {self._sealed}", self._sealed + 1)
        if self._tree.size == self._sealed and self._tree.edges != self._edges:
            self._note("tree", "the right edge of the stored tree does not follow from what is below")
        for old in self._old:
            if old.size > self._sealed:
                self._note("missing", f"an older checkpoint has {old.size} events, the tree {self._sealed}", old.size)

    def _sealed_now(self) -> int:
        """The sealer may have gone on in the meantime."""
        return self._stored_progress()[0]

    def _note(self, kind: str, message: str, position: int | None = None) -> None:
        if len(self._findings) < FINDINGS_LIMIT:
            self._findings.append(Finding(kind, message, position))
