"""The keys that the commands and queries of one process use: those used last stay in memory, for a bounded time."""

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg_pool import AsyncConnectionPool

from infrastructure.bounded_cache import BoundedCache
from infrastructure.encryption.key_encryption import KeyUnusableError
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.encryption.personal_topics import PERSONAL_TOPICS
from infrastructure.encryption.sealed_form import SEALED
from infrastructure.encryption.subject_keys import (
    KEYS_OF,
    Ciphers,
    MasterKeyUnknownError,
    SubjectKey,
    ciphers_from,
    new_subject_key,
)

LIMIT = 20_000
"""Keys kept in memory by one process."""
SECONDS = 300.0
"""How long one is kept."""

_SEALED = """
SELECT FROM log.event WHERE stream_id = %s AND topic = ANY (%s) AND substring(state FROM 1 FOR 1) = %s LIMIT 1
"""
_STORE = """
INSERT INTO keys.subject_key (subject_id, master_id, wrapped) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""

Row = tuple[UUID, bytes | None, int | None]


class SubjectKeys:
    """People's keys.

    What is read is opened with keys that are looked up together with it. Only writers rely on memory: what they seal
    with a key that is gone is refused, because the erasure has taken the version that they wanted.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        masters: MasterKeys,
        limit: int = LIMIT,
        seconds: float = SECONDS,
    ) -> None:
        self.masters = masters
        self._pool = pool
        self._seconds = seconds
        self._kept = BoundedCache[UUID, tuple[float, AESGCM]](limit)

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, subject_id: UUID, cipher: AESGCM) -> None:
        """Keep a key."""
        self._kept.put(subject_id, (time.monotonic() + self._seconds, cipher))

    def forget(self, subject_id: UUID) -> None:
        """Drop a key."""
        self._kept.pop(subject_id, None)

    def forget_old(self) -> None:
        """Drop expired keys."""
        now = time.monotonic()
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)

    def new(self, subject_id: UUID) -> SubjectKey:
        """A key for somebody who has none; not kept before it is stored."""
        return new_subject_key(subject_id, self.masters)

    def kept(self, subject_id: UUID) -> SubjectKey | None:
        """Somebody's key, if it is in memory."""
        kept = self._kept.get(subject_id)
        return SubjectKey(subject_id, kept[1]) if kept is not None and kept[0] > time.monotonic() else None

    async def to_seal(self, subject_id: UUID, *, in_own_stream: bool = True) -> SubjectKey | None:
        """Somebody's key, a new one if they have none; None if they were erased. Raises `KeyUnusableError`.

        A new one is to be stored with the events. If none of them is in the person's own stream, no version keeps
        others from making one, too, and it is stored here: of several the first is theirs.
        """
        kept = self.kept(subject_id)
        if kept is not None:
            return kept
        rows = await self._rows([subject_id])
        if not rows:
            await self._must_not_have_had_one(subject_id)
            if in_own_stream:
                return self.new(subject_id)
            rows = await self._stored(self.new(subject_id))
        ciphers = await self.opened(rows)
        if subject_id not in ciphers:
            # A new one could not take its place in the table: what it sealed could never be read.
            raise KeyUnusableError(f"The key of {subject_id} is damaged.")
        cipher = ciphers[subject_id]
        return None if cipher is None else SubjectKey(subject_id, cipher)

    async def _stored(self, key: SubjectKey) -> list[Row]:
        """The row of somebody's key, which is this one unless they have got one meanwhile."""
        async with self._pool.connection() as connection:
            await connection.execute(_STORE, (key.subject_id, *(key.wrapped() or ())))
        return await self._rows([key.subject_id])

    async def _must_not_have_had_one(self, subject_id: UUID) -> None:
        """Raise `KeyUnusableError` if something is sealed with a key that is gone: it may yet come back."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_SEALED, (subject_id, list(PERSONAL_TOPICS), SEALED))
            if await cursor.fetchone():
                raise KeyUnusableError(f"The key of {subject_id} is missing.")

    async def ciphers(self, subjects: Iterable[UUID]) -> Ciphers:
        """What opens the fields of those among these people who have, or had, a key, as of now."""
        wanted = list(subjects)
        return await self.opened(await self._rows(wanted)) if wanted else {}

    async def ciphers_on(self, connection: psycopg.AsyncConnection[Any], subjects: Iterable[UUID]) -> Ciphers:
        """The same for a caller who holds a connection already."""
        wanted = list(subjects)
        return await self.opened(await _rows_on(connection, wanted)) if wanted else {}

    async def _rows(self, subjects: list[UUID]) -> list[Row]:
        async with self._pool.connection() as connection:
            return await _rows_on(connection, subjects)

    async def opened(self, rows: Iterable[Row]) -> Ciphers:
        """What opens the fields of the people in these rows of the key table; without those whose key is damaged."""
        rows = list(rows)
        try:
            found = ciphers_from(rows)
        except MasterKeyUnknownError:
            async with self._pool.connection() as connection:
                await self.masters.load(connection)
            found = ciphers_from(rows)
        for subject_id, cipher in found.items():
            if cipher is None:
                self.forget(subject_id)
            else:
                self.remember(subject_id, cipher)
        return found


async def _rows_on(connection: psycopg.AsyncConnection[Any], subjects: list[UUID]) -> list[Row]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(KEYS_OF, (subjects,), prepare=True)
    return await cursor.fetchall()
