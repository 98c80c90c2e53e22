"""Handovers: a checkpoint in which one key of a log names the next one, signed by both.

Anybody who trusts the previous key can trust the next one. Its name is part of the signed text, in an extension line of
the checkpoint (C2SP tlog-checkpoint); a second signature alone would prove nothing, because anybody can add one.
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
    """The given keys, and all keys that they hand over to; handovers must be in order, oldest first.

    Handovers by untrusted keys are ignored. Raises `NoteInvalidError` for a note that is not a handover, and for a
    handover with an invalid signature of a trusted key or of the next key.
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
