"""Receipts of erasures: that somebody was erased from the register, by whom and why from the log."""

from uuid import UUID

from application.privacy.erasures import ErasureReceipt
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.reasons import open_reason, subjects_of
from infrastructure.queries.read_model import Pool

_RECEIPT = """
SELECT x."position", x.recorded_at, e.actor, e.on_behalf_of, e.client, e.reason, e.command_id, x.swept_at
FROM keys.erasure x JOIN log.event e ON e."position" = x."position" WHERE x.subject_id = %s
"""


class ErasureQueries:
    """Erasures, as ports see them."""

    def __init__(self, pool: Pool, keys: SubjectKeys) -> None:
        self._pool = pool
        self._keys = keys

    async def receipt(self, user_id: UUID) -> ErasureReceipt | None:
        """The receipt for a user who was erased."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_RECEIPT, (user_id,))
            row = await cursor.fetchone()
        if row is None:
            return None
        position, recorded_at, actor, on_behalf_of, client, reason, command_id, swept_at = row
        ciphers = await self._keys.ciphers(subjects_of([reason]))
        return ErasureReceipt(
            user_id=user_id,
            position=position,
            recorded_at=recorded_at,
            actor=actor,
            on_behalf_of=on_behalf_of,
            client=client,
            reason=open_reason(ciphers, reason, command_id),
            command_id=command_id,
            swept_at=swept_at,
        )
