"""The Merkle tree of RFC 6962 section 2.1: its hashes, its proofs, and how they are verified (RFC 9162 section 2.1).

A proof is built in two steps: first the ranges of leaves whose hashes it needs, then those hashes. So a store of the
hashes of complete subtrees can read all of them in one query.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_OCTETS = 32
EMPTY_ROOT = sha256().digest()
LEAF, NODE = b"\x00", b"\x01"


class ProofInvalidError(ValueError):
    """A proof does not show what it is said to show."""


class Node(NamedTuple):
    """A complete subtree: the 2**level leaves from number * 2**level on."""

    level: int
    number: int


class Leaves(NamedTuple):
    """Leaves from `begin` on, up to but not with `end`, counted from 0."""

    begin: int
    end: int


HashOf = Callable[[Node], bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf, from its data."""
    return sha256(LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node, from those below it."""
    return sha256(NODE + left + right).digest()


def pairs_hashed(hashes: Sequence[bytes]) -> list[bytes]:
    """The level above: one hash for each complete pair."""
    pairs = zip(hashes[::2], hashes[1::2], strict=False)
    return [sha256(NODE + left + right).digest() for left, right in pairs]


def split(size: int) -> int:
    """How many of more than one leaves go to the left: the largest power of two that leaves something on the right."""
    return 1 << ((size - 1).bit_length() - 1)


def complete_subtrees(leaves: Leaves) -> Iterator[Node]:
    """What a range is made of, from left to right; it begins where a subtree begins that could hold all of it."""
    begin, end = leaves
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield Node(level, begin >> level)
        begin += 1 << level


def hash_of_range(leaves: Leaves, hash_of: HashOf) -> bytes:
    """The hash of a range that is a node of the tree, complete or not."""
    hashes = [hash_of(node) for node in complete_subtrees(leaves)]
    return bagged(hashes)


def bagged(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees that get smaller from left to right; the empty tree's, if there are none."""
    if not hashes:
        return EMPTY_ROOT
    *others, bag = hashes
    for left in reversed(others):
        bag = node_hash(left, bag)
    return bag


def inclusion_path(index: int, size: int) -> list[Leaves]:
    """The ranges whose hashes show that a leaf is in a tree (PATH in RFC 6962 section 2.1.1), from the leaf upwards.

    Raises `ValueError` if the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[Leaves] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            path.append(Leaves(middle, end))
            end = middle
        else:
            path.append(Leaves(begin, middle))
            begin = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> list[Leaves]:
    """The ranges whose hashes show that a tree is the beginning of another one (PROOF in RFC 6962 section 2.1.2).

    Raises `ValueError` unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves has no prefix of {old}")
    path: list[Leaves] = []
    begin, end, is_whole = 0, new, True
    while old != end:
        middle = begin + split(end - begin)
        if old <= middle:
            path.append(Leaves(middle, end))
            end = middle
        else:
            path.append(Leaves(begin, middle))
            begin, is_whole = middle, False
    return ([] if is_whole else [Leaves(begin, end)]) + path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise `ProofInvalidError` unless a leaf with this hash is in the tree (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofInvalidError("the tree has no such leaf")
    first, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofInvalidError("the proof is too long")
        if first & 1 or first == last:
            found = node_hash(step, found)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, step)
        first, last = first >> 1, last >> 1
    if last or found != root:
        raise ProofInvalidError("the leaf is not in the tree")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raise `ProofInvalidError` unless the old tree is the beginning of the new one (RFC 9162 section 2.1.4.2)."""
    if not 0 < old <= new:
        raise ProofInvalidError("the older tree is empty, or larger than the newer one")
    steps = [*([old_root] if old & (old - 1) == 0 else []), *proof]
    if old == new:
        if proof or old_root != new_root:
            raise ProofInvalidError("two trees of the same size differ")
        return
    if not proof:
        raise ProofInvalidError("the proof is too short")
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    found_old = found_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofInvalidError("the proof is too long")
        if first & 1 or first == last:
            found_old, found_new = node_hash(step, found_old), node_hash(step, found_new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found_new = node_hash(found_new, step)
        first, last = first >> 1, last >> 1
    if last or found_old != old_root or found_new != new_root:
        raise ProofInvalidError("the older tree is not the beginning of the newer one")
