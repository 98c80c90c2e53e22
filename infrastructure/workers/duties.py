"""What projection workers are there for; a worker may be given some of it only."""

from enum import StrEnum


class Duty(StrEnum):
    """A kind of work that a worker may be there for."""

    READ_MODELS = "read-models"
    """To follow the log with every read model, to rebuild them on request and to check them."""
    SEAL = "seal"
    """To add the log to its Merkle tree and to sign checkpoints."""
    MAILS = "mails"
    """To send the mails that events call for."""
    ERASURE = "erasure"
    """Erase people whose grace period has ended, and clean up after erasures."""
    RECEIPTS = "receipts"
    """To write down outside of the database who was erased."""
    RETENTION = "retention"
    """Delete old idempotency keys."""
