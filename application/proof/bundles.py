"""Bundles: events as they are stored, with proofs and a checkpoint, in one file that anybody can check by themselves.

A bundle is lines of JSON (docs/auditors.md). The first one says what the bundle is about and holds the checkpoint; each
of the others is one event: the data of its leaf, and its path to the checkpoint's root. There is one way only to write
each line, so a changed octet anywhere is found.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from application.proof.checkpoints import Checkpoint, verified_checkpoint
from application.proof.handovers import with_successors
from application.proof.leaves import LeafInvalidError, StoredEvent, decode
from application.proof.merkle_tree import ProofInvalidError, leaf_hash, verify_consistency, verify_inclusion
from application.proof.signed_notes import NoteInvalidError, VerifierKey

FORMAT = "reprise-bundle/1"
FORMAT_WITH_HANDOVERS = "reprise-bundle/2"
"""The same, with the handovers from one key of the log to the next."""


class BundleInvalidError(ValueError):
    """A bundle does not prove what it says; names the line, and the position where there is one."""


class Growth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shows that the log of an older checkpoint, of a size, is the beginning of this one."""

    size: int
    hashes: list[bytes]


class BundleHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle is about: everything about one user, or a range of positions."""

    format: str = FORMAT
    checkpoint: str
    events: int
    user: UUID | None = None
    first: int | None = None
    last: int | None = None
    growth: Growth | None = None
    handovers: list[str] | UnsetType = UNSET
    """How each key of the log has handed over to the next, the oldest first; not there if none ever has."""


class BundledEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event."""

    leaf: bytes
    proof: list[bytes]


class BundleReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a bundle has proved."""

    origin: str
    size: int
    root: bytes
    events: int
    user: UUID | None
    first_position: int | None
    last_position: int | None
    grown_from: int | None
    """The size of the older checkpoint that this log was shown to continue."""


_HEAD = msgspec.json.Decoder(BundleHead)
_EVENT = msgspec.json.Decoder(BundledEvent)


def bundle_lines(head: BundleHead, events: Iterable[BundledEvent]) -> Iterator[bytes]:
    """The lines of a bundle."""
    yield msgspec.json.encode(head) + b"\n"
    for event in events:
        yield msgspec.json.encode(event) + b"\n"


def verify_bundle(
    lines: Iterable[bytes], keys: Sequence[VerifierKey], old: Checkpoint | None = None
) -> Iterator[StoredEvent | BundleReport]:
    """Yield the events of a bundle, each proved first, and at the end a report of what the bundle proves.

    The keys that the given ones have handed over to are trusted, too. With an older checkpoint of the same log, the log
    must have grown from that one. Raises `BundleInvalidError`; everything yielded before is then void.
    """
    numbered = enumerate(lines, start=1)
    head = _decoded_head(next(numbered, (1, b""))[1])
    checkpoint = _checkpoint(head, keys)
    if old is not None:
        _check_growth(head, checkpoint, old)
    positions: list[int] = []
    versions: list[int] = []
    for number, line in numbered:
        event = _proved(line, checkpoint, f"line {number}")
        _check_belongs(head, event)
        if positions[-1:] >= [event.position]:
            raise BundleInvalidError(f"line {number}: position {event.position} is out of order")
        positions.append(event.position)
        versions += [event.version] if event.stream_id == head.user else []
        yield event
    _check_complete(head, positions, versions)
    yield BundleReport(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        events=len(positions),
        user=head.user,
        first_position=positions[0] if positions else None,
        last_position=positions[-1] if positions else None,
        grown_from=old.size if old else None,
    )


def _decoded_head(line: bytes) -> BundleHead:
    try:
        head = _HEAD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BundleInvalidError("line 1: this is not a bundle") from None
    form = FORMAT_WITH_HANDOVERS if head.handovers else FORMAT
    if msgspec.json.encode(head) + b"\n" != line or head.format != form or head.handovers == []:
        raise BundleInvalidError(f"line 1: this is not a bundle in the form {FORMAT} or {FORMAT_WITH_HANDOVERS}")
    if (head.user is None) != (head.first is not None and head.last is not None):
        raise BundleInvalidError("line 1: a bundle must be about a user or a range of positions")
    return head


def _checkpoint(head: BundleHead, keys: Sequence[VerifierKey]) -> Checkpoint:
    try:
        return verified_checkpoint(head.checkpoint, with_successors(keys, head.handovers or ()))
    except NoteInvalidError as error:
        raise BundleInvalidError(f"the checkpoint: {error}") from None


def _check_growth(head: BundleHead, checkpoint: Checkpoint, old: Checkpoint) -> None:
    if old.origin != checkpoint.origin:
        raise BundleInvalidError(f"the older checkpoint is of another log, {old.origin}")
    growth = Growth(old.size, []) if old.size == checkpoint.size else head.growth
    if growth is None or growth.size != old.size:
        raise BundleInvalidError(f"the bundle has no proof that the log has grown from {old.size} events")
    try:
        verify_consistency(old.size, checkpoint.size, growth.hashes, old.root, checkpoint.root)
    except ProofInvalidError as error:
        raise BundleInvalidError(f"the log is not the one of the older checkpoint: {error}") from None


def _proved(line: bytes, checkpoint: Checkpoint, place: str) -> StoredEvent:
    try:
        bundled = _EVENT.decode(line)
        event = decode(bundled.leaf)
    except (msgspec.DecodeError, UnicodeDecodeError, LeafInvalidError):
        raise BundleInvalidError(f"{place}: this is not an event") from None
    if msgspec.json.encode(bundled) + b"\n" != line:
        raise BundleInvalidError(f"{place}: position {event.position} is not in canonical form")
    leaf, index = leaf_hash(bundled.leaf), event.position - 1
    try:
        verify_inclusion(leaf, index, checkpoint.size, bundled.proof, checkpoint.root)
    except ProofInvalidError as error:
        raise BundleInvalidError(f"{place}: position {event.position} is not proved: {error}") from None
    return event


def _check_belongs(head: BundleHead, event: StoredEvent) -> None:
    """About the user is what happened to them, and what says itself that it is about them, such as address claims."""
    if head.user is None or event.stream_id == head.user:
        return
    try:
        about = msgspec.json.decode(event.state, type=dict[str, object]).get("user_id")
    except (msgspec.DecodeError, UnicodeDecodeError):
        about = None
    if about != str(head.user):
        raise BundleInvalidError(f"position {event.position} is not about the user {head.user}")


def _check_complete(head: BundleHead, positions: Sequence[int], versions: Sequence[int]) -> None:
    if len(positions) != head.events:
        raise BundleInvalidError(f"the header says {head.events} events, but there are {len(positions)}")
    if head.first is not None and head.last is not None and positions != list(range(head.first, head.last + 1)):
        raise BundleInvalidError(f"the header says positions {head.first} to {head.last}, but there are others")
    if head.user is not None and (versions[:1] != [1] or any(b != a + 1 for a, b in pairwise(versions))):
        raise BundleInvalidError("a version of the user is missing")
