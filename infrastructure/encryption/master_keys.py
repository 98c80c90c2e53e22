"""The master keys: each wraps the keys of many people, and is itself wrapped by the key-encryption key.

There is one at a time to wrap with, the newest; while it is being replaced, the former ones still unwrap.
"""

import secrets
import time
from collections.abc import Iterable
from typing import Any

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.encryption.key_encryption import KEY_OCTETS, KeyEncryptionKey, KeyUnusableError
from infrastructure.encryption.keychain import unwrapped

_SELECT = "SELECT id, key_encryption_key, wrapped FROM keys.master_key ORDER BY id"
_INSERT = "INSERT INTO keys.master_key (id, key_encryption_key, wrapped) VALUES (%s, %s, %s)"

# Ids are unique among all databases, so what was unwrapped once need not be told apart by database.
_ciphers: dict[int, AESGCM] = {}


def master_cipher(master_id: int) -> AESGCM | None:
    """What a master key wraps with, if this process has unwrapped it already."""
    return _ciphers.get(master_id)


class MasterKeys:
    """The master keys of one database, as of when they were last looked up."""

    def __init__(self) -> None:
        self._current = 0

    @property
    def current(self) -> tuple[int, AESGCM]:
        """The one to wrap with. Raises `KeyUnusableError` before `load`."""
        if not self._current:
            raise KeyUnusableError("There is no master key yet.")
        return self._current, _ciphers[self._current]

    async def load(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Look up which there are. Raises `KeyUnusableError` if one cannot be unwrapped."""
        cursor = await connection.execute(_SELECT, prepare=True, binary=True)
        self._keep(await cursor.fetchall())

    async def load_or_make(self, connection: psycopg.AsyncConnection[Any], key: KeyEncryptionKey) -> None:
        """The same; makes the first one."""
        await self.load(connection)
        if not self._current:
            # If two processes make one each, both are good, and the newer one is the current one.
            await connection.execute(_INSERT, new_master_key(key))
            await self.load(connection)

    def load_now(self, connection: psycopg.Connection[Any]) -> None:
        """The same as `load`, but blocking."""
        self._keep(connection.execute(_SELECT, binary=True).fetchall())

    def _keep(self, rows: Iterable[tuple[int, str, bytes]]) -> None:
        # A former key that is in memory opens nothing any more but what was read a moment ago.
        for master_id, name, wrapped in rows:
            if master_id not in _ciphers:
                _ciphers[master_id] = AESGCM(unwrapped(name, wrapped))
            self._current = master_id


def new_master_key(key: KeyEncryptionKey) -> tuple[int, str, bytes]:
    """A new one, as it is stored: its id, larger than that of every earlier one; by what it is wrapped; wrapped."""
    master_id = int(time.time() * 1000) << 20 | secrets.randbits(20)
    return master_id, key.name, key.wrap(secrets.token_bytes(KEY_OCTETS))
