"""Exports that were asked for, and the links that lead to them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class ExportLinkInvalidError(Exception):
    """Unknown, altered or expired: deliberately not told apart."""


class RequestedExport(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be put together: everything about one person, as of a position of the log."""

    export_id: UUID
    user_id: UUID
    position: int
    requested_at: datetime
    good_until: datetime


class DataExports(Protocol):
    """Nothing of an export is stored but that it was asked for: it is made anew whenever it is downloaded."""

    def token(self, export_id: UUID) -> str:
        """The secret that a link needs."""
        ...

    async def find(self, token: str) -> RequestedExport:
        """The export that a secret is for, as long as it is good. Raises `ExportLinkInvalidError`."""
        ...

    async def requested(self, export_id: UUID) -> RequestedExport:
        """An export by its id. Raises `LookupError`."""
        ...
