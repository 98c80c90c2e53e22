"""Handovers: whoever trusts a key can trust those that it leads to, and no others."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from application.proof.checkpoints import Checkpoint, signed, verified_checkpoint
from application.proof.handovers import handover, with_successors
from application.proof.signed_notes import NoteInvalidError, SigningKey

NAME = "log.example/people"
FIRST, SECOND, THIRD, STRANGER = (SigningKey(NAME, bytes(range(n, n + 32))) for n in range(4))
CHECKPOINT = Checkpoint(NAME, 4711, sha256(b"root").digest())
CHAIN = [handover(CHECKPOINT, FIRST, SECOND), handover(CHECKPOINT, SECOND, THIRD)]


def test_a_handover_reads_as_the_specification_says() -> None:
    text, _, signatures = CHAIN[0].partition("\n\n")

    assert text.splitlines()[:3] == CHECKPOINT.text.splitlines()
    assert text.splitlines()[3:] == [f"next-key {SECOND.verifier}"]
    assert [line.split(" ")[:2] for line in signatures.splitlines()] == [["\N{EM DASH}", NAME]] * 2


def test_a_handover_is_a_checkpoint_to_whoever_trusts_either_key() -> None:
    for key in (FIRST, SECOND):
        assert verified_checkpoint(CHAIN[0], [key.verifier]) == CHECKPOINT


def test_the_keys_of_a_chain_are_trusted_from_the_one_that_is_known_onwards() -> None:
    assert with_successors([FIRST.verifier], CHAIN) == [FIRST.verifier, SECOND.verifier, THIRD.verifier]
    assert with_successors([SECOND.verifier], CHAIN) == [SECOND.verifier, THIRD.verifier]
    assert with_successors([THIRD.verifier], CHAIN) == [THIRD.verifier]


def test_keys_are_trusted_once_and_only_ones_that_were_handed_over_to() -> None:
    assert with_successors([SECOND.verifier, FIRST.verifier], CHAIN[:1]) == [SECOND.verifier, FIRST.verifier]
    assert with_successors([STRANGER.verifier], CHAIN) == [STRANGER.verifier]
    assert with_successors([FIRST.verifier], []) == [FIRST.verifier]


def test_a_handover_before_the_one_it_follows_leads_nowhere() -> None:
    assert with_successors([FIRST.verifier], CHAIN[::-1]) == [FIRST.verifier, SECOND.verifier]


def test_who_adds_a_signature_to_a_checkpoint_is_not_trusted_for_that() -> None:
    both = signed(CHECKPOINT, FIRST) + STRANGER.signature(CHECKPOINT.text)

    with pytest.raises(NoteInvalidError):
        with_successors([FIRST.verifier], [both])


def test_who_names_themselves_is_not_trusted_for_that() -> None:
    text = f"{CHECKPOINT.text}next-key {STRANGER.verifier}\n"

    assert with_successors([FIRST.verifier], [STRANGER.sign(text)]) == [FIRST.verifier]
    assert with_successors([FIRST.verifier], [handover(CHECKPOINT, STRANGER, STRANGER)]) == [FIRST.verifier]


def test_a_key_of_another_log_hands_nothing_over() -> None:
    elsewhere = SigningKey("log.example/other", FIRST.private)

    with pytest.raises(NoteInvalidError):
        with_successors([FIRST.verifier], [handover(CHECKPOINT, FIRST, elsewhere)])
    assert with_successors([elsewhere.verifier], CHAIN) == [elsewhere.verifier]


SPOILED: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "a checkpoint": lambda _: signed(CHECKPOINT, FIRST),
    "another key": lambda note: note.replace(str(SECOND.verifier), str(STRANGER.verifier)),
    "no key": lambda note: note.replace(str(SECOND.verifier), "nobody"),
    "another size": lambda note: note.replace("\n4711\n", "\n4712\n"),
    "another line besides": lambda note: note.replace("\n\n", "\nand-more x\n\n", 1),
    "only the old key's signature": lambda note: "\n".join(note.split("\n")[:-2]) + "\n",
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_is_no_good_handover_is_refused(spoil: Callable[[str], str]) -> None:
    assert spoil(CHAIN[0]) != CHAIN[0]

    with pytest.raises(NoteInvalidError):
        with_successors([FIRST.verifier], [spoil(CHAIN[0])])
