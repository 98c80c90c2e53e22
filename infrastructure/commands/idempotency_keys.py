"""Idempotency keys: the same key from the same sender means the same command, which is carried out once.

Kept are digests only. Keys are chosen by clients, who put all sorts of things into them, and a plain digest of a body
with little in it could be guessed: both are keyed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from application.commands import CommandKey, IdempotencyKeyReusedError
from application.unit_of_work import Saved
from infrastructure.secrets.mac import Mac


class KeyedCommandKeys:
    """Makes command keys with a secret of the service."""

    def __init__(self, secret: bytes) -> None:
        self._mac = Mac(secret)

    def make(self, sender: str, key: str, *request: bytes) -> CommandKey:
        """The key that a caller gave a request; `request` is everything that distinguishes it from other requests."""
        return CommandKey(self._digest(sender.encode(), key.encode()), self._digest(*request))

    def _digest(self, *parts: bytes) -> bytes:
        return self._mac.of(b"".join([len(part).to_bytes(8) + part for part in parts]))


class AnsweredCommands:
    """The commands that were carried out under a key."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool

    async def find(self, key: CommandKey) -> Saved | None:
        """The answer given before. Raises `IdempotencyKeyReusedError` if it was given to another command."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(
                'SELECT fingerprint, result, "position", recorded_at FROM log.command WHERE key = %s', (key.key,)
            )
            row = await cursor.fetchone()
        if row is None:
            return None
        fingerprint, result, position, recorded_at = row
        if fingerprint != key.fingerprint:
            raise IdempotencyKeyReusedError
        return answer_from(result, position, recorded_at)


def answer_to(aggregate_id: UUID, version: int) -> bytes:
    """What is stored with a command, to answer it again."""
    return aggregate_id.bytes + version.to_bytes(4)


def answer_from(result: bytes, position: int, recorded_at: datetime) -> Saved:
    """The answer that was stored with a command."""
    return Saved(UUID(bytes=result[:16]), int.from_bytes(result[16:]), position, recorded_at)
