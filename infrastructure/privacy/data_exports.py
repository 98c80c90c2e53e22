"""Finds exports that were asked for, by the log itself, and makes the secrets of their links."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from application.privacy.data_exports import ExportLinkInvalidError, RequestedExport
from domain.privacy.data_export import DataExport
from domain.values import has_passed
from infrastructure.log.event_codec import decode
from infrastructure.queries.read_model import Pool
from infrastructure.secrets.signed_tokens import SignedTokens, TokenMalformedError

MAC_OCTETS = 26
_REQUESTED = """
SELECT topic, state, version, recorded_at, "position" FROM log.event WHERE stream_id = %s AND version = 1 AND topic = %s
"""


class DataExportQueries:
    """Exports, as ports see them. A secret is base64url of the export's id (16 octets) and a MAC of it (26)."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._tokens = SignedTokens(key, MAC_OCTETS)

    def token(self, export_id: UUID) -> str:
        """The secret that a link needs."""
        return self._tokens.issue(export_id.bytes, export_id.bytes)

    async def find(self, token: str) -> RequestedExport:
        """The export that a secret is for, as long as it is good. Raises `ExportLinkInvalidError`."""
        try:
            export_id = self._tokens.payload(token)
        except TokenMalformedError:
            raise ExportLinkInvalidError from None
        if not self._tokens.matches(token, export_id, export_id):
            raise ExportLinkInvalidError
        export = await self.requested(UUID(bytes=export_id))
        if has_passed(export.good_until, datetime.now(UTC)):
            raise ExportLinkInvalidError
        return export

    async def requested(self, export_id: UUID) -> RequestedExport:
        """An export by its id. Raises `LookupError`."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            row = await (await cursor.execute(_REQUESTED, (export_id, DataExport.Requested.TOPIC))).fetchone()
        if row is None:
            raise LookupError(export_id)
        topic, state, version, recorded_at, position = row
        event: Any = decode(topic, state, export_id, version, recorded_at)
        return RequestedExport(
            export_id=export_id,
            user_id=event.user_id,
            position=position,
            requested_at=recorded_at,
            good_until=event.good_until,
        )
