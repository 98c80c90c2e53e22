"""`reprise keys`: shows and replaces the master key and the claims key."""

import asyncio
from typing import Any

from cyclopts import App
from psycopg.rows import dict_row

from api.cli.database import open_database
from api.cli.failures import Failure
from api.cli.progress import EventProgress
from api.cli.terminal import Rows, answer, shown
from infrastructure.composition import open_commands
from infrastructure.encryption.keychain import key_encryption_key, next_key_encryption_key
from infrastructure.encryption.rotation import RotationUnderWayError, rotate_master_key
from infrastructure.postgres.connections import as_app
from infrastructure.postgres.logins import Login
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
    with open_database(Login.API) as database, database.connected(as_app) as connection:
        masters: list[dict[str, Any]] = connection.cursor(row_factory=dict_row).execute(_MASTERS).fetchall()
        (erased,) = connection.execute(_ERASED).fetchone() or (0,)
    rows = ((str(m["id"]), m["keyEncryptionKey"], m["createdAt"], m["keys"]) for m in masters)
    answer(
        {"masterKeys": masters, "erased": erased},
        Rows(("master key", "wrapped with", "since", "keys"), rows),
        f"Destroyed keys of erased people: {shown(erased)}.",
        json=json,
    )


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
    with (
        open_database(Login.OWNER) as database,
        database.connected() as connection,
        EventProgress("Wrapping keys", "keys") as progress,
    ):
        key = next_key_encryption_key(database.settings) or key_encryption_key(database.settings)
        try:
            rotated = rotate_master_key(connection, key, progress.show)
        except RotationUnderWayError as error:
            raise Failure(str(error), "rotation_under_way") from None
    answer(
        rotated,
        f"The master key was replaced. {shown(rotated.keys)} keys are wrapped with the new one.",
        json=json,
    )


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
    with open_database(Login.OWNER) as database, EventProgress("Recording claims") as progress:
        try:
            rotating = rotate_claims(database.settings, database.conninfo, open_commands, progress.show)
            rotated = asyncio.run(rotating)
        except ClaimsDifferError as error:
            raise Failure(str(error), "claims_differ") from None
    claims = shown(rotated.recorded)
    answer(
        rotated,
        f"The next key is in force: {claims} claims were recorded with it. Now set it as REPRISE_CLAIMS_KEY.",
        json=json,
    )
