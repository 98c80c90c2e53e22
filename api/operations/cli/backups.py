"""`reprise backup` and `reprise restore`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter, validators

from api.cli.database import open_database
from api.cli.failures import ExitCode, Failure
from api.cli.progress import EventProgress
from api.cli.terminal import answer, shown
from infrastructure.backups.manifest import BackupInvalidError, Manifest
from infrastructure.backups.restoring import NotEmptyError, restore_backup
from infrastructure.backups.writing import take_backup
from infrastructure.composition import open_commands
from infrastructure.postgres.database import admit_named_logins, owners_database
from infrastructure.postgres.logins import Login
from infrastructure.privacy.erasing_again import erase_again
from infrastructure.privacy.erasure_receipts import ReceiptsDamagedError, StoredReceipt, read_receipts, receipts_path
from infrastructure.settings import settings_from

KEYS = Group("Keys", validator=validators.mutually_exclusive)
RECEIPTS = Group("Receipts", validator=validators.mutually_exclusive)
NO_KEYS = (
    "Without keys, the personal data in the log cannot be read. Name the folder with the keys (--keys), or use "
    "--without-keys to restore the log alone."
)


def backup(folder: Path, /, *, keys: Path | None = None, json: bool = False) -> None:
    """Back up the log and, separately, the keys.

    The backup is as of one moment, while everything continues. It does not contain read models, because they can be
    rebuilt. Store the keys elsewhere, and delete them soon: with backups of both, people who were erased can be read
    until one of the two is deleted.

    Parameters
    ----------
    folder
        A new folder for the log.
    keys
        A new folder for the keys of people and of the service.
    json
        Write JSON.

    """
    with open_database(Login.OWNER) as database, EventProgress("backing up") as progress:
        copied = (database.settings.keys, keys) if keys else None
        manifest = take_backup(database.conninfo, folder, copied, progress.show)
    where = f"in {folder}" + (f", keys in {keys}." if keys else ", without keys.")
    answer(_described(manifest), f"Backed up: {shown(manifest.position)} events {where}", json=json)


def restore(
    folder: Path,
    /,
    *,
    keys: Annotated[Path | None, Parameter(group=KEYS)] = None,
    without_keys: Annotated[bool, Parameter(group=KEYS)] = False,
    receipts: Annotated[Path | None, Parameter(group=RECEIPTS)] = None,
    without_receipts: Annotated[bool, Parameter(group=RECEIPTS)] = False,
    json: bool = False,
) -> None:
    """Restore a backup into an empty database, completely or not at all.

    Stop everything else first. Every file is checked against the manifest, and the log must be complete. People who
    were erased since the backup are erased again, according to the receipts. The worker rebuilds the read models when
    it first starts.

    Parameters
    ----------
    folder
        The folder of the log.
    keys
        The folder of the keys that were backed up together with it. They are copied to the home directory, which must
        not contain other keys.
    without_keys
        Restore the log alone. The personal data in it cannot be read.
    receipts
        The file with the receipts of erasures (default: receipts/erasures.jsonl in the home directory).
    without_receipts
        Confirm that nobody has been erased since the backup.
    json
        Write JSON.

    """
    settings = settings_from()
    if keys is None and not without_keys:
        raise Failure(NO_KEYS, "usage", ExitCode.USAGE)
    erased = [] if without_receipts or without_keys else _receipts(receipts or receipts_path(settings.home))
    with owners_database(settings) as conninfo:
        try:
            manifest = restore_backup(conninfo, folder, (keys, settings.keys) if keys else None)
        except BackupInvalidError as error:
            raise Failure(str(error), "backup_invalid") from None
        except NotEmptyError as error:
            raise Failure(str(error), "not_empty") from None
        if not settings.is_embedded:
            admit_named_logins(settings, conninfo)
        again = erase_again(settings, conninfo, open_commands, erased)
    told = f" Erased again, according to the receipts: {shown(again)}." if again else ""
    answer(
        _described(manifest, erasedAgain=again),
        f"Restored: {shown(manifest.position)} events, as of {shown(manifest.taken_at)}.{told}",
        json=json,
    )


def _receipts(path: Path) -> list[StoredReceipt]:
    if not path.exists():
        raise Failure(
            f"There are no receipts of erasures at {path}, so people erased since the backup would come back. "
            "Name the file (--receipts), or use --without-receipts if nobody was erased.",
            "receipts_missing",
        )
    try:
        return read_receipts(path)
    except ReceiptsDamagedError as error:
        raise Failure(str(error), "receipts_damaged") from None


def _described(manifest: Manifest, **more: int) -> dict[str, Any]:
    return {"position": manifest.position, "takenAt": manifest.taken_at, **more, "parts": manifest.parts}
