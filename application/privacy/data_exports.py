"""Exports that were asked for, and the links that lead to them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class ExportLinkInvalidError(Exception):
    """The link is unknown, altered or expired; deliberately not distinguished."""


class RequestedExport(msgspec.Struct, frozen=True, kw_only=True):
    """A requested export: everything about one person, as of a log position."""

    export_id: UUID
    user_id: UUID
    position: int
    requested_at: datetime
    good_until: datetime


class DataExports(Protocol):
    """Builds exports. Only the request is stored; an export is built for each download."""

    def token(self, export_id: UUID) -> str:
        """The secret that a link needs."""
        ...

    async def find(self, token: str) -> RequestedExport:
        """The export that a secret is for, as long as it is good. Raises `ExportLinkInvalidError`."""
        ...

    async def requested(self, export_id: UUID) -> RequestedExport:
        """An export by its id. Raises `LookupError`."""
        ...
