"""The claims key in force, by its fingerprint in the database: a different key would let two people have one address.

The first process that opens commands on a database puts its key in force. Later processes must have that key, as the
current or as the next one.
"""

import asyncio
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from infrastructure.postgres.connections import as_app, reading_pool
from infrastructure.secrets.keyring import Keyring, SecretMissingError, load_keyring
from infrastructure.settings import Settings
from infrastructure.users.claims.claim_ids import claim_ids

_SELECT = "SELECT fingerprint FROM keys.claims_key"
_ADOPT = "INSERT INTO keys.claims_key (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING"
_REPLACE = "UPDATE keys.claims_key SET fingerprint = %s, since = clock_timestamp() WHERE fingerprint <> %s"


class ClaimsKeyForeignError(SecretMissingError):
    """A process was given another claims key than the database's claims are made with."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(
            f"REPRISE_CLAIMS_KEY is not the key that this database's claims are made with, which is {fingerprint}: "
            "with another one, an address could be registered twice. "
            "Give this process the right one, there or where its keys are kept."
        )


def check_claims_key(settings: Settings, conninfo: str) -> None:
    """Check the key before a process begins its work, so that it can exit with one sentence."""

    async def check() -> None:
        async with reading_pool(as_app(conninfo), 1) as pool:
            await require_claims_key(pool, load_keyring(settings.keys, production=settings.production))

    asyncio.run(check())


async def require_claims_key(pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], keyring: Keyring) -> None:
    """Make sure that this process has the claims key in force. Raises `ClaimsKeyForeignError`."""
    present, *following = [ids.fingerprint for ids in claim_ids(keyring)]
    async with pool.connection() as connection:
        found = await _looked_up(connection)
        if found is None:
            await connection.execute(_ADOPT, (present,))
            found = await _looked_up(connection)
    if found is not None and found not in {present, *following}:
        raise ClaimsKeyForeignError(found)


async def _looked_up(connection: psycopg.AsyncConnection[Any]) -> str | None:
    row = await (await connection.execute(_SELECT)).fetchone()
    return row[0] if row else None


def in_force(connection: psycopg.Connection[Any]) -> str | None:
    """The fingerprint of the key in force."""
    row = connection.execute(_SELECT).fetchone()
    return row[0] if row else None


def put_in_force(connection: psycopg.Connection[Any], fingerprint: str) -> None:
    """Make a key the one in force, with the rights of the schema's owner."""
    connection.execute(_REPLACE, (fingerprint, fingerprint))
