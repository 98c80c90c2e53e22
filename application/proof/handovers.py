"""Handovers: a checkpoint in which one key of a log names the next one, signed by both.

Whoever trusts the key before can trust the next one. Its name is part of what is signed, in an extension line of the
checkpoint (C2SP tlog-checkpoint): a second signature alone would say nothing, because anybody can add one to a note.
"""

from collections.abc import Iterable, Sequence

from application.proof.checkpoints import Checkpoint, parse_checkpoint
from application.proof.signed_notes import (
    KeyInvalidError,
    NoteInvalidError,
    SigningKey,
    VerifierKey,
    parse_verifier_key,
    signed_by,
)

NEXT_KEY = "next-key "
"""How the fourth line of a handover begins; the next key's verifier key follows."""


def handover(checkpoint: Checkpoint, key: SigningKey, successor: SigningKey) -> str:
    """The note by which a key hands over to the next one, as of a checkpoint."""
    text = f"{checkpoint.text}{NEXT_KEY}{successor.verifier}\n"
    return key.sign(text) + successor.signature(text)


def with_successors(keys: Iterable[VerifierKey], handovers: Iterable[str]) -> list[VerifierKey]:
    """These keys and all that they lead to: handovers, the oldest first, by keys that are trusted by then.

    What keys that nobody trusts have to say is passed over. Raises `NoteInvalidError` for what is no handover, and for
    one that a trusted key, or the next key, has not signed well.
    """
    trusted = list(keys)
    for note in handovers:
        successor = _successor(note, trusted)
        if successor is not None and successor not in trusted:
            trusted.append(successor)
    return trusted


def _successor(note: str, trusted: Sequence[VerifierKey]) -> VerifierKey | None:
    named = _named_in(note)
    ours = [key for key in trusted if key.name == named.name]
    _, signers = signed_by(note, [*ours, named])
    if named not in signers:
        raise NoteInvalidError("the next key has not signed the handover")
    return named if any(key in ours for key in signers) else None


def _named_in(note: str) -> VerifierKey:
    text, _ = signed_by(note, [])
    checkpoint = parse_checkpoint(text)
    line = text.removeprefix(checkpoint.text)
    try:
        key = parse_verifier_key(line.removeprefix(NEXT_KEY).removesuffix("\n"))
    except KeyInvalidError:
        raise NoteInvalidError("this is not a handover") from None
    if line != f"{NEXT_KEY}{key}\n" or key.name != checkpoint.origin:
        raise NoteInvalidError("this is not a handover of this log")
    return key
