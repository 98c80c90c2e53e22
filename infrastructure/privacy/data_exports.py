"""Finds exports that were asked for, by the log itself, and makes the secrets of their links."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from application.privacy.data_exports import ExportLinkInvalidError, RequestedExport
from domain.privacy.data_export import DataExport
from domain.values import has_passed
from infrastructure.log.event_codec import decode
from infrastructure.queries.read_model import Pool

MAC_OCTETS = 26
"""Together with the id a number that base64 writes without filling: no two spellings are the same secret."""
_REQUESTED = """
SELECT topic, state, version, recorded_at, "position" FROM log.event WHERE stream_id = %s AND version = 1 AND topic = %s
"""


class DataExportQueries:
    """Exports, as ports see them. A secret is base64url of the export's id (16 octets) and a MAC of it (26)."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._key = key

    def token(self, export_id: UUID) -> str:
        """The secret that a link needs."""
        return urlsafe_b64encode(export_id.bytes + self._mac(export_id.bytes)).decode()

    async def find(self, token: str) -> RequestedExport:
        """The export that a secret is for, as long as it is good. Raises `ExportLinkInvalidError`."""
        try:
            octets = urlsafe_b64decode(token.encode("ascii"))
        except (ValueError, UnicodeEncodeError):
            raise ExportLinkInvalidError from None
        export_id, mac = octets[:16], octets[16:]
        if not hmac.compare_digest(mac, self._mac(export_id)):
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

    def _mac(self, export_id: bytes) -> bytes:
        return hmac.digest(self._key, export_id, "sha256")[:MAC_OCTETS]
