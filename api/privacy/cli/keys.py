"""`reprise keys`: shows and replaces the master key and the claims key."""

import asyncio
from typing import Any

import msgspec
import psycopg
from cyclopts import App
from psycopg.rows import dict_row

from api.cli.failures import Failure
from api.cli.progress import EventProgress
from api.cli.terminal import say, shown, write_json, write_table
from infrastructure.composition import open_commands
from infrastructure.encryption.keychain import key_encryption_key, next_key_encryption_key
from infrastructure.encryption.rotation import RotationUnderWayError, rotate_master_key
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.settings import settings_from
from infrastructure.users.claims.rotation import ClaimsDifferError, rotate_claims

app = App(name="keys", help="Show and replace the master key and the claims key.")

_MASTERS = """
SELECT m.id, m.key_encryption_key AS "keyEncryptionKey", m.created_at AS "createdAt",
       (SELECT count(*) FROM keys.subject_key k WHERE k.master_id = m.id) AS keys
FROM keys.master_key m ORDER BY m.id
"""
_ERASED = "SELECT count(*) FROM keys.subject_key WHERE wrapped IS NULL"


@app.command(name="list")
def show(*, json: bool = False) -> None:
    """Show the master keys, and how many subject keys each of them wraps.

    There is one master key, unless it is being replaced.

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
    say(f"Destroyed keys of erased people: {shown(erased)}.")


@app.command
def rotate(*, json: bool = False) -> None:
    """Replace the master key: wrap every subject key with a new one. Sealed data is not touched.

    Everything else can continue meanwhile. If the command is interrupted, run it again. To replace the key-encryption
    key as well, set REPRISE_NEXT_KEY_ENCRYPTION_KEY (or _FILE, or REPRISE_NEXT_KMS_KEY) for all processes: the new
    master key is then wrapped with that key. Make it the current key-encryption key afterwards.

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
        EventProgress("Wrapping keys", "keys") as progress,
    ):
        try:
            rotated = rotate_master_key(connection, key, progress.show)
        except RotationUnderWayError as error:
            raise Failure(str(error), "rotation_under_way") from None
    if json:
        write_json(msgspec.to_builtins(rotated))
        return
    say(f"The master key was replaced. {shown(rotated.keys)} keys are wrapped with the new one.")


@app.command(name="rotate-claims")
def replace_claims_key(*, json: bool = False) -> None:
    """Replace the claims key: record every claim again under the id that the next key derives.

    First restart all processes with REPRISE_NEXT_CLAIMS_KEY (or keys/next-claims.key). Everything else can continue
    meanwhile. If the command is interrupted, run it again. It checks all claims in the end; then restart all processes
    one by one, with the next key as REPRISE_CLAIMS_KEY.

    Parameters
    ----------
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.OWNER) as conninfo, EventProgress("Recording claims") as progress:
        try:
            rotated = asyncio.run(rotate_claims(settings, conninfo, open_commands, progress.show))
        except ClaimsDifferError as error:
            raise Failure(str(error), "claims_differ") from None
    if json:
        write_json(msgspec.to_builtins(rotated))
        return
    claims = shown(rotated.recorded)
    say(f"The next key is in force: {claims} claims were recorded with it. Now set it as REPRISE_CLAIMS_KEY.")
