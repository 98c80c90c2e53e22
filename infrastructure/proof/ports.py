"""What a process has for the ports of the proof of the log."""

from application.ports import Ports
from application.proof.queries import Proofs
from infrastructure.parts import Parts
from infrastructure.proof.queries import ProofQueries


def ports(parts: Parts) -> Ports:
    """By port."""
    return {Proofs: ProofQueries(parts.pool)}
