"""`reprise backup` and `reprise restore`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter, validators

from api.cli.failures import ExitCode, Failure
from api.cli.progress import EventProgress
from api.cli.terminal import say, shown, write_json
from infrastructure.backups.manifest import BackupInvalidError, Manifest
from infrastructure.backups.replaying import erase_again
from infrastructure.backups.restoring import NotEmptyError, restore_backup
from infrastructure.backups.writing import take_backup
from infrastructure.database import migrated_database, owners_database, require_data
from infrastructure.logins import Login
from infrastructure.receipts import Receipt, ReceiptsDamagedError, read_receipts, receipts_path
from infrastructure.settings import settings_from

KEYS = Group("Keys", validator=validators.mutually_exclusive)
RECEIPTS = Group("Receipts", validator=validators.mutually_exclusive)
NO_KEYS = (
    "Without keys nothing personal in the log can be read. Name their folder with --keys; or say --without-keys, if "
    "the log alone is wanted."
)


def backup(folder: Path, /, *, keys: Path | None = None, json: bool = False) -> None:
    """Back up the log and, apart from it, the keys.

    The backup is as of one moment, and everything goes on meanwhile. Read models are not part of it, because they can
    be made again. Keep keys elsewhere, and not for long: somebody who is erased can be read with a backup of both until
    one of them is deleted.

    Parameters
    ----------
    folder
        A new folder for the log.
    keys
        A new folder for the keys of people and of the service.
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.OWNER) as conninfo, EventProgress("backing up") as progress:
        manifest = take_backup(conninfo, folder, (settings.keys, keys) if keys else None, progress.show)
    _tell(manifest, f"Backed up: {{}} events in {folder}" + (f", keys in {keys}." if keys else ", without keys."), json)


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
    """Bring a backup back into an empty database, all of it or nothing.

    Everything else must be stopped. Every file is checked against the manifest first, and the log must be whole. People
    who were erased since the backup are erased again, as the receipts say. Read models are made again by the worker, at
    its first start.

    Parameters
    ----------
    folder
        The folder of the log.
    keys
        The folder of the keys that were backed up together with it. They go to the service's home, where no others may
        be.
    without_keys
        Restore the log alone: nothing personal in it can be read.
    receipts
        The file with the receipts of erasures, else receipts/erasures.jsonl in the service's home.
    without_receipts
        Do without: nobody was erased since the backup was taken.
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
        again = erase_again(settings, conninfo, erased)
    told = f" Erased again, by their receipts: {shown(again)}." if again else ""
    _tell(
        manifest, f"Restored: {{}} events, as of {manifest.taken_at:%Y-%m-%d %H:%M:%S}.{told}", json, erasedAgain=again
    )


def _receipts(path: Path) -> list[Receipt]:
    if not path.exists():
        raise Failure(
            f"There are no receipts of erasures at {path}, so people who were erased since the backup would come back. "
            "Name the file with --receipts; or say --without-receipts, if nobody was.",
            "receipts_missing",
        )
    try:
        return read_receipts(path)
    except ReceiptsDamagedError as error:
        raise Failure(str(error), "receipts_damaged") from None


def _tell(manifest: Manifest, sentence: str, as_json: bool, **more: int) -> None:  # noqa: FBT001 - handed on
    if as_json:
        write_json({"position": manifest.position, "takenAt": manifest.taken_at, **more, "parts": manifest.parts})
    else:
        say(sentence.format(shown(manifest.position)))
