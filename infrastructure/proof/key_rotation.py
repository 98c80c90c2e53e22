"""Replaces the key that checkpoints are signed with (docs/decisions/0029-keys-hand-over.md).

First the new key lies in the file beside the old one; then the note by which the old one hands over is published; then
the new one signs, and the old private half is gone. An interrupted rotation is run again and continues.
"""

from application.proof.handovers import handover
from application.proof.signed_notes import VerifierKey
from infrastructure.log.reader import Connection
from infrastructure.proof.checkpointing import sealed_checkpoint
from infrastructure.proof.signing_keys import CheckpointKeyFile

_PUBLISH = "INSERT INTO audit.verifier_key (key, handover) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_HANDOVERS = "SELECT handover FROM audit.verifier_key WHERE handover IS NOT NULL ORDER BY published_at"


def rotate_key(connection: Connection, file: CheckpointKeyFile) -> VerifierKey:
    """Have a new key sign from now on; what the old one signed last names the new one. Raises `TreeUnsoundError`."""
    successor = file.next_key()
    with connection.transaction():
        keys = file.keys()
        checkpoint = sealed_checkpoint(connection, keys)
        if keys.signing != successor:  # Somebody else may have been faster.
            note = handover(checkpoint, keys.signing, successor)
            connection.execute(_PUBLISH, (str(successor.verifier), note))
    file.hand_over(successor.verifier)
    return successor.verifier


def published_handovers(connection: Connection) -> list[str]:
    """How each key has handed over to the next, the oldest first."""
    return [note for (note,) in connection.execute(_HANDOVERS)]
