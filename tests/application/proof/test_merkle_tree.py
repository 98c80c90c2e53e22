"""The tree: equal to its definition and to an implementation that is not ours; wrong proofs are refused."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InclusionProof, InmemoryTree  # type: ignore[import-untyped, unused-ignore]

from application.proof.merkle_tree import (
    EMPTY_ROOT,
    ProofInvalidError,
    consistency_path,
    inclusion_path,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from application.proof.tiles import TiledTree
from tests.support import naive_merkle_tree as naive
from tests.support.trees import StoredTree, leaf_data

LARGEST = 300
LEAVES = leaf_data(LARGEST)
LARGE = 70_000
Proof = list[bytes]

# Leaves and roots of the test vectors that Certificate Transparency implementations share.
VECTOR_LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@cache
def small_tree() -> StoredTree:
    return StoredTree(LEAVES)


@cache
def middling_tree() -> StoredTree:
    return StoredTree(leaf_data(3_000))


@cache
def large_tree() -> StoredTree:
    return StoredTree(leaf_data(LARGE))


@cache
def theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries(leaf_data(LARGE))
    return tree


def test_roots_are_those_of_the_published_vectors() -> None:
    roots = [StoredTree(VECTOR_LEAVES[:size]).tree.root.hex() for size in range(1, 9)]

    assert roots == VECTOR_ROOTS
    assert TiledTree().root == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_root_and_proof_of_a_small_tree_is_what_the_definition_says(size: int) -> None:
    leaves = LEAVES[:size]

    assert small_tree().root(size) == naive.tree_hash(leaves)
    for index in range(0, size, 1 + size // 20):
        assert small_tree().inclusion(index, size) == naive.path(index, leaves)
    for old in range(1, size + 1, 1 + size // 20):
        assert small_tree().consistency(old, size) == naive.proof(old, leaves)


def test_every_proof_up_to_a_size_verifies() -> None:
    tree = small_tree()
    for size in range(1, LARGEST + 1):
        root = tree.root(size)
        for index in range(size):
            verify_inclusion(leaf_hash(LEAVES[index]), index, size, tree.inclusion(index, size), root)
            verify_consistency(index + 1, size, tree.consistency(index + 1, size), tree.root(index + 1), root)


@settings(max_examples=60)
@given(st.data())
def test_proofs_of_large_trees_verify_with_an_implementation_that_is_not_ours(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGE))
    index = data.draw(st.integers(0, size - 1))
    leaf = leaf_hash(b"leaf %d" % index)
    tree, root = large_tree(), large_tree().root(size)
    rule = theirs().prove_inclusion(index + 1, size).rule
    ours = InclusionProof("sha256", True, size, index + 1, rule, [leaf, *tree.inclusion(index, size)])  # noqa: FBT003 - their order

    assert root == theirs().get_root(size)
    ours.verify(leaf, root, index + 1, size)
    verify_inclusion(leaf, index, size, theirs().prove_inclusion(index + 1, size).path[1:], root)
    old_root = theirs().get_root(index + 1)
    verify_consistency(index + 1, size, tree.consistency(index + 1, size), old_root, theirs().get_root(size))


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3_000), max_size=8))
def test_a_tree_is_the_same_in_whatever_pieces_it_grows(steps: list[int]) -> None:
    grown = StoredTree(leaf_data(3_000), sorted(steps))

    assert (grown.tiles, grown.tree.root) == (middling_tree().tiles, middling_tree().tree.root)


@settings(max_examples=15)
@given(st.lists(st.integers(0, LARGE), min_size=1, max_size=5))
def test_a_tree_goes_on_from_its_edges(cuts: list[int]) -> None:
    leaves = [leaf_hash(leaf) for leaf in leaf_data(LARGE)]
    edges: list[bytes] = []
    for begin, end in pairwise([0, *sorted(cuts), LARGE]):
        tree = TiledTree(edges)
        assert tree.size == begin
        list(tree.add(leaves[begin:end]))
        edges = tree.edges

    assert TiledTree(edges).root == large_tree().tree.root


SPOILED: dict[str, Callable[[Proof], Proof]] = {
    "a hash changed": lambda proof: [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]],
    "the last hash changed": lambda proof: [*proof[:-1], bytes(32)],
    "a hash less": lambda proof: proof[:-1],
    "a hash more": lambda proof: [*proof, proof[-1]],
    "another order": lambda proof: proof[::-1],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_proof_is_refused(spoil: Callable[[Proof], Proof]) -> None:
    tree, size = small_tree(), 211
    for index in range(size - 1):
        path, proof = tree.inclusion(index, size), tree.consistency(index + 1, size)
        if spoil(path) != path:
            with pytest.raises(ProofInvalidError):
                verify_inclusion(leaf_hash(LEAVES[index]), index, size, spoil(path), tree.root(size))
        if spoil(proof) != proof:
            with pytest.raises(ProofInvalidError):
                verify_consistency(index + 1, size, spoil(proof), tree.root(index + 1), tree.root(size))


def test_a_proof_is_good_for_its_own_leaf_position_size_and_root_only() -> None:
    tree, size, index = small_tree(), 211, 77
    path, leaf, root = tree.inclusion(index, size), leaf_hash(LEAVES[index]), tree.root(size)
    wrong = [
        (leaf_hash(LEAVES[index + 1]), index, size, root),
        *((leaf, other, size, root) for other in range(-2, size + 2) if other != index),
        (leaf, index, size, tree.root(size - 1)),
        (leaf, index, index, root),
    ]
    for other_leaf, other_index, other_size, other_root in wrong:
        with pytest.raises(ProofInvalidError):
            verify_inclusion(other_leaf, other_index, other_size, path, other_root)


def test_a_consistency_proof_is_good_for_its_own_trees_only() -> None:
    tree, old, new = small_tree(), 100, 211
    proof = tree.consistency(old, new)
    wrong = [
        (old, new, tree.root(new), tree.root(new)),
        (old, new, tree.root(old), tree.root(old)),
        (old - 1, new, tree.root(old), tree.root(new)),
        (new, old, tree.root(old), tree.root(new)),
        (0, new, EMPTY_ROOT, tree.root(new)),
        (new, new, tree.root(new), tree.root(new)),
    ]
    for other_old, other_new, old_root, new_root in wrong:
        with pytest.raises(ProofInvalidError):
            verify_consistency(other_old, other_new, proof, old_root, new_root)


def test_a_proof_that_ends_too_early_is_refused_whatever_it_leads_to() -> None:
    tree, size, index, old = small_tree(), 211, 77, 64
    path, proof = tree.inclusion(index, size), tree.consistency(old, size)

    for level in range(7):
        subtree = naive.tree_hash(LEAVES[index >> level << level : (index >> level << level) + (1 << level)])
        with pytest.raises(ProofInvalidError):
            verify_inclusion(leaf_hash(LEAVES[index]), index, size, path[:level], subtree)
    with pytest.raises(ProofInvalidError):
        verify_consistency(old, size, proof[:1], tree.root(old), tree.root(128))


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_no_proof_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_path(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5)])
def test_no_proof_is_made_for_a_beginning_that_is_none(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="has no prefix"):
        consistency_path(old, new)
