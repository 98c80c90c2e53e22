"""What can be asked about erasures."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class ErasureReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure: when, by which event, by whom and why."""

    user_id: UUID
    position: int
    recorded_at: datetime
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None
    swept_at: datetime | None
    """When nothing was left of the person in what is kept beside the log."""


class Erasures(Protocol):
    """Who was erased."""

    async def receipt(self, user_id: UUID) -> ErasureReceipt | None:
        """The receipt for a user who was erased."""
        ...
