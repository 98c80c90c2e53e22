"""What we prove is believed, and what is wrong is refused, by programs that have nothing in common with ours.

`metamorphic_log` verifies C2SP checkpoints and RFC 6962 proofs, in Rust; `pymerkle` is a Merkle tree of its own.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256

import metamorphic_log as rust  # type: ignore[import-untyped, unused-ignore]
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymerkle import ConsistencyProof, InclusionProof, InmemoryTree  # type: ignore[import-untyped, unused-ignore]
from pymerkle.core import (  # type: ignore[import-untyped, unused-ignore]
    _consistency_path_layout,
    _inclusion_path_layout,
)

from application.proof.checkpoints import Checkpoint, signed
from application.proof.handovers import handover
from application.proof.merkle_tree import Leaves, leaf_hash
from application.proof.signed_notes import SigningKey
from tests.support.naive_merkle_tree import level_above
from tests.support.trees import StoredTree, leaf_data

SMALL, LARGE = 300, 200_000
"""Leaves; the large tree has three levels of tiles, as one of a million has."""
KEY = SigningKey("log.example/people", bytes(range(32)))
OTHER = SigningKey("log.example/people", bytes(range(1, 33)))
Proof = list[bytes]


@cache
def small_tree() -> StoredTree:
    return StoredTree(leaf_data(SMALL))


@cache
def large_tree() -> StoredTree:
    return StoredTree(leaf_data(LARGE))


@cache
def small_tree_of_theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries(leaf_data(SMALL))
    return tree


def leaf(index: int) -> bytes:
    return leaf_hash(b"leaf %d" % index)


def check_inclusion(tree: StoredTree, index: int, size: int) -> None:
    proof, root = tree.inclusion(index, size), tree.root(size)
    rust.verify_inclusion(index, size, leaf(index), proof, root)
    rule, _ = _inclusion_path_layout(index + 1, size)
    InclusionProof("sha256", True, size, index + 1, rule, [leaf(index), *proof]).verify(leaf(index), root)  # noqa: FBT003 - their order


def check_consistency(tree: StoredTree, old: int, new: int) -> None:
    old_root, root = tree.root(old), tree.root(new)
    rust.verify_consistency(old, new, tree.consistency(old, new), old_root, root)
    # Their proofs have other hashes in them than those of the RFC; ours are taken for all of them.
    rule, subset, ranges = _consistency_path_layout(old, new)
    hashes = tree.hashes([Leaves(*part) for part in ranges])
    ConsistencyProof("sha256", True, new, old, rule, subset, hashes).verify(old_root, root)  # noqa: FBT003 - their order


@pytest.mark.parametrize("size", range(1, SMALL + 1))
def test_proofs_of_every_small_size_are_believed(size: int) -> None:
    assert small_tree().root(size) == small_tree_of_theirs().get_root(size)
    for index in {*range(0, size, 1 + size // 12), size - 1}:
        check_inclusion(small_tree(), index, size)
        check_consistency(small_tree(), index + 1, size)


@settings(max_examples=200)
@example((LARGE - 1, LARGE))
@example((2**17 - 1, 2**17 + 1))
@given(st.integers(1, LARGE).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_proofs_of_any_size_are_believed(place: tuple[int, int]) -> None:
    index, size = place

    check_inclusion(large_tree(), index, size)
    check_consistency(large_tree(), index + 1, size)


@pytest.mark.parametrize("size", [LARGE, 177_777, 2**17 + 1])
def test_the_root_of_a_large_tree_is_what_comes_out_level_by_level(size: int) -> None:
    level = [sha256(b"\x00" + data).digest() for data in leaf_data(size)]
    while len(level) > 1:
        level = level_above(level)

    assert large_tree().root(size) == level[0]


INDEX, SIZE, OLD = 77_777, 154_321, 123_456
WRONG: dict[str, Callable[[Proof], Proof]] = {
    "a bit": lambda proof: [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]],
    "a hash less": lambda proof: proof[:-1],
    "a hash more": lambda proof: [*proof, proof[-1]],
    "another order": lambda proof: [proof[1], proof[0], *proof[2:]],
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_a_wrong_proof_is_refused_elsewhere_too(spoil: Callable[[Proof], Proof]) -> None:
    tree = large_tree()
    old_root, root = tree.root(OLD), tree.root(SIZE)

    with pytest.raises(rust.VerifyError):
        rust.verify_inclusion(INDEX, SIZE, leaf(INDEX), spoil(tree.inclusion(INDEX, SIZE)), root)
    with pytest.raises(rust.VerifyError):
        rust.verify_consistency(OLD, SIZE, spoil(tree.consistency(OLD, SIZE)), old_root, root)


def test_a_proof_for_another_size_position_or_root_is_refused_elsewhere_too() -> None:
    tree, root = large_tree(), large_tree().root(SIZE)
    path, proof = tree.inclusion(INDEX, SIZE), tree.consistency(OLD, SIZE)

    for index, size, wanted in [(INDEX + 1, SIZE, root), (INDEX, 2**16, root), (INDEX, SIZE, tree.root(SIZE - 1))]:
        with pytest.raises(rust.VerifyError):
            rust.verify_inclusion(index, size, leaf(INDEX), path, wanted)
    for old, new in [(OLD + 1, SIZE), (OLD, SIZE + 1), (SIZE, OLD)]:
        with pytest.raises(rust.VerifyError):
            rust.verify_consistency(old, new, proof, tree.root(OLD), tree.root(new))


def checkpoint_of(size: int, key: SigningKey = KEY) -> str:
    return signed(Checkpoint(key.name, size, large_tree().root(size)), key)


def test_a_checkpoint_and_what_it_proves_are_believed() -> None:
    old, new, keys = checkpoint_of(OLD), checkpoint_of(SIZE), [str(KEY.verifier)]
    head = rust.checkpoint_verify(new, keys)

    assert (head.origin, head.size, head.root) == (KEY.name, SIZE, large_tree().root(SIZE))
    rust.checkpoint_verify_inclusion(new, keys, INDEX, leaf(INDEX), large_tree().inclusion(INDEX, SIZE))
    rust.checkpoint_verify_consistency(old, new, keys, large_tree().consistency(OLD, SIZE))


def test_a_checkpoint_by_a_former_key_is_believed_with_that_key() -> None:
    former, keys = checkpoint_of(OLD, OTHER), [str(KEY.verifier), str(OTHER.verifier)]

    rust.checkpoint_verify_consistency(former, checkpoint_of(SIZE), keys, large_tree().consistency(OLD, SIZE))


@pytest.mark.parametrize("key", [OTHER, KEY], ids=["the one before", "the next one"])
def test_a_handover_is_believed_with_either_key(key: SigningKey) -> None:
    note = handover(Checkpoint(KEY.name, OLD, large_tree().root(OLD)), OTHER, KEY)

    head = rust.checkpoint_verify(note, [str(key.verifier)])

    assert (head.origin, head.size, head.root) == (KEY.name, OLD, large_tree().root(OLD))
    proof = large_tree().consistency(OLD, SIZE)
    rust.checkpoint_verify_consistency(note, checkpoint_of(SIZE), [str(KEY.verifier)], proof)


def test_a_handover_that_names_another_key_is_refused_elsewhere_too() -> None:
    note = handover(Checkpoint(KEY.name, OLD, large_tree().root(OLD)), OTHER, KEY)
    stranger = SigningKey(KEY.name, bytes(range(2, 34)))

    for key in (KEY, OTHER):
        with pytest.raises(rust.VerifyError):
            rust.checkpoint_verify(note.replace(str(KEY.verifier), str(stranger.verifier)), [str(key.verifier)])


FORGED: dict[str, Callable[[str], str]] = {
    "another size": lambda note: note.replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n"),
    "another root": lambda note: note.replace(note.split("\n")[2], b64encode(bytes(32)).decode()),
    "another log": lambda note: note.replace("log.example/people\n", "log.example/peoples\n", 1),
    "no signature": lambda note: note.partition("\n\n")[0] + "\n\n",
    "a changed signature": lambda note: note[:-20] + ("A" if note[-20] != "A" else "B") + note[-19:],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_checkpoint_is_refused_elsewhere_too(forge: Callable[[str], str]) -> None:
    note = checkpoint_of(SIZE)
    assert forge(note) != note

    with pytest.raises(rust.VerifyError):
        rust.checkpoint_verify(forge(note), [str(KEY.verifier)])


def test_a_checkpoint_by_a_key_that_nobody_trusts_is_refused_elsewhere_too() -> None:
    with pytest.raises(rust.VerifyError):
        rust.checkpoint_verify(checkpoint_of(SIZE), [str(OTHER.verifier)])
