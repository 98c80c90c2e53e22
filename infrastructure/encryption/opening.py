"""Gives a process the keys of the database that it works on."""

from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.key_encryption import KeyUnusableError
from infrastructure.encryption.keychain import grant, key_encryption_key
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.encryption.subject_keys import PLATFORM
from infrastructure.settings import Settings

log = structlog.get_logger(__name__)


async def opened_keys(settings: Settings, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> SubjectKeys:
    """The keys that commands and queries need; those that a new database lacks are made.

    Raises `KeyUnusableError` if this process was not given the key-encryption key of this database.
    """
    grant(settings)
    masters = MasterKeys()
    async with pool.connection() as connection:
        await masters.load_or_make(connection, key_encryption_key(settings))
    keys = SubjectKeys(pool, masters)
    try:
        await keys.to_seal(PLATFORM, in_own_stream=False)
    except KeyUnusableError as error:
        # Only reasons of erasures are sealed with it; everything else goes on.
        log.warning("keys.damaged", error=str(error))
    return keys
