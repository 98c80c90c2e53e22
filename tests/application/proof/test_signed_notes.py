"""Signed notes and checkpoints: what is signed is believed, what is not is refused."""

import string
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from application.proof.checkpoints import Checkpoint, signed, verified_checkpoint
from application.proof.signed_notes import (
    KeyInvalidError,
    NoteInvalidError,
    SigningKey,
    VerifierKey,
    parse_verifier_key,
    verified_text,
)

KEY = SigningKey("log.example/people", bytes(range(32)))
OTHER = SigningKey("log.example/people", bytes(range(1, 33)))
CHECKPOINT = Checkpoint("log.example/people", 4711, sha256(b"root").digest())
NOTE = signed(CHECKPOINT, KEY)


def test_a_checkpoint_reads_as_the_specification_says() -> None:
    text, _, signature = NOTE.partition("\n\n")
    name, _, encoded = signature.removeprefix("\N{EM DASH} ").partition(" ")
    octets = b64decode(encoded)
    public = KEY.verifier.public

    assert text.split("\n") == ["log.example/people", "4711", b64encode(CHECKPOINT.root).decode()]
    assert name == "log.example/people"
    assert octets[:4] == sha256(b"log.example/people\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(octets[4:], (text + "\n").encode())


def test_the_example_of_the_specification_verifies() -> None:
    key = parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "\N{EM DASH} PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )

    assert verified_text(note, [key]).startswith("If you think")


def test_a_signed_checkpoint_is_believed() -> None:
    assert verified_checkpoint(NOTE, [OTHER.verifier, KEY.verifier]) == CHECKPOINT


def test_any_octet_that_is_changed_makes_a_checkpoint_void() -> None:
    octets = NOTE.encode()
    for place in range(len(octets)):
        for change in (1, 0x20, 0x80):
            spoiled = octets[:place] + bytes([octets[place] ^ change]) + octets[place + 1 :]
            with pytest.raises((NoteInvalidError, UnicodeDecodeError)):
                verified_checkpoint(spoiled.decode(), [KEY.verifier])


def test_a_signature_is_written_in_one_way_only() -> None:
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    last = NOTE[-3]
    other = NOTE[:-3] + alphabet[alphabet.index(last) + 1] + NOTE[-2:]

    assert b64decode(other.rpartition(" ")[2]) == b64decode(NOTE.rpartition(" ")[2])
    with pytest.raises(NoteInvalidError, match="malformed"):
        verified_checkpoint(other, [KEY.verifier])


@pytest.mark.parametrize(
    "keys",
    [[], [OTHER.verifier], [VerifierKey("log.example/other", KEY.verifier.public)]],
    ids=["none", "another key", "the key under another name"],
)
def test_what_nobody_signed_who_counts_is_refused(keys: list[VerifierKey]) -> None:
    with pytest.raises(NoteInvalidError, match="none of the trusted keys"):
        verified_checkpoint(NOTE, keys)


def test_a_key_signs_for_its_own_log_only() -> None:
    note = SigningKey("log.example/other", KEY.private).sign(CHECKPOINT.text)

    with pytest.raises(NoteInvalidError, match="none of the trusted keys"):
        verified_checkpoint(note, [VerifierKey("log.example/other", KEY.verifier.public)])


def test_signatures_of_strangers_do_not_matter_and_those_of_friends_must_be_good() -> None:
    stranger = OTHER.sign(CHECKPOINT.text).rpartition("\n\n")[2]
    bad = "\N{EM DASH} " + OTHER.name + " " + b64encode(OTHER.verifier.id + bytes(64)).decode() + "\n"

    assert verified_checkpoint(NOTE + stranger, [KEY.verifier]) == CHECKPOINT
    assert verified_checkpoint(NOTE + bad, [KEY.verifier]) == CHECKPOINT
    with pytest.raises(NoteInvalidError, match="a signature is invalid"):
        verified_checkpoint(NOTE + bad, [KEY.verifier, OTHER.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.example/people\n",
        "log.example/people\n04711\n" + b64encode(CHECKPOINT.root).decode() + "\n",
        "log.example/people\n-1\n" + b64encode(CHECKPOINT.root).decode() + "\n",
        "log.example/people\n4711\n" + b64encode(CHECKPOINT.root[:31]).decode() + "\n",
        "log.example/people\n4711\n!\n",
        "\n4711\n" + b64encode(CHECKPOINT.root).decode() + "\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalidError):
        verified_checkpoint(KEY.sign(text), [KEY.verifier])


def test_a_verifier_key_survives_being_written_down() -> None:
    assert parse_verifier_key(f"{KEY.verifier}\n") == KEY.verifier


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.example",
        "log.example+00000000+" + b64encode(b"\x01" + bytes(32)).decode(),
        str(KEY.verifier)[:-4],
        str(KEY.verifier).replace("+AQ", "+Ag", 1),
        str(KEY.verifier).replace("log.example/people", "log.example/peoplf"),
        str(KEY.verifier).replace("log.example/people", "log example"),
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(KeyInvalidError):
        parse_verifier_key(text)
