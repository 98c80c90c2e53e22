"""`reprise keys`: the keys that personal data is sealed with, and that of the claims."""

import asyncio
from typing import Any

import msgspec
import psycopg
from cyclopts import App
from psycopg.rows import dict_row

from api.cli.failures import Failure
from api.cli.progress import EventProgress
from api.cli.terminal import say, shown, write_json, write_table
from infrastructure.claims.rotation import ClaimsDifferError, rotate_claims
from infrastructure.connections import APP_ROLE, in_role
from infrastructure.database import migrated_database, require_data
from infrastructure.logins import Login
from infrastructure.privacy.keychain import key_encryption_key, next_key_encryption_key
from infrastructure.privacy.rotation import RotationUnderWayError, rotate_master_key
from infrastructure.settings import settings_from

app = App(name="keys", help="Look after the keys that personal data is sealed with, and that of the claims.")

_MASTERS = """
SELECT m.id, m.key_encryption_key AS "keyEncryptionKey", m.created_at AS "createdAt",
       (SELECT count(*) FROM keys.subject_key k WHERE k.master_id = m.id) AS keys
FROM keys.master_key m ORDER BY m.id
"""
_ERASED = "SELECT count(*) FROM keys.subject_key WHERE wrapped IS NULL"


@app.command(name="list")
def show(*, json: bool = False) -> None:
    """Tell which master keys there are, and how many keys of people, and of the platform, each of them wraps.

    There is one, unless it is being replaced.

    Parameters
    ----------
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    with (
        migrated_database(settings, Login.API) as conninfo,
        psycopg.connect(in_role(conninfo, APP_ROLE), autocommit=True, row_factory=dict_row) as connection,
    ):
        masters: list[dict[str, Any]] = connection.execute(_MASTERS).fetchall()
        erased = next(iter((connection.execute(_ERASED).fetchone() or {"count": 0}).values()))
    if json:
        write_json({"masterKeys": masters, "erased": erased})
        return
    write_table(
        ("master key", "wrapped with", "since", "keys"),
        [(str(m["id"]), m["keyEncryptionKey"], m["createdAt"], m["keys"]) for m in masters],
    )
    say(f"Keys of people who were erased: {shown(erased)}, destroyed.")


@app.command
def rotate(*, json: bool = False) -> None:
    """Replace the master key: wrap the key of each person anew. What they seal stays as it is.

    It may be done while everything runs, and nobody notices. If it is broken off, doing it again goes on with it. With
    REPRISE_NEXT_KEY_ENCRYPTION_KEY (or _FILE, or REPRISE_NEXT_KMS_KEY) set for all processes, the new master key is
    wrapped with that one; afterwards it takes the place of the present key-encryption key.

    Parameters
    ----------
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    key = next_key_encryption_key(settings) or key_encryption_key(settings)
    with (
        migrated_database(settings, Login.OWNER) as conninfo,
        psycopg.connect(conninfo, autocommit=True) as connection,
        EventProgress("Wrapping keys anew", "keys") as progress,
    ):
        try:
            rotated = rotate_master_key(connection, key, progress.show)
        except RotationUnderWayError as error:
            raise Failure(str(error), "rotation_under_way") from None
    if json:
        write_json(msgspec.to_builtins(rotated))
        return
    say(f"The master key is replaced; {shown(rotated.keys)} keys are wrapped with the new one.")


@app.command(name="rotate-claims")
def replace_claims_key(*, json: bool = False) -> None:
    """Replace the key of the claims: record under the ids that the next one makes who holds which address.

    It needs REPRISE_NEXT_CLAIMS_KEY (or keys/next-claims.key), which all processes must have by then. It may be done
    while everything runs; if it is broken off, do it again. At last it checks all claims, and the next key is in force:
    now it takes the present one's place, in one process after the other.

    Parameters
    ----------
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.OWNER) as conninfo, EventProgress("Recording claims anew") as progress:
        try:
            rotated = asyncio.run(rotate_claims(settings, conninfo, progress.show))
        except ClaimsDifferError as error:
            raise Failure(str(error), "claims_differ") from None
    if json:
        write_json(msgspec.to_builtins(rotated))
        return
    say(f"The next key is in force; {shown(rotated.recorded)} claims were recorded under it. Make it the present one.")
