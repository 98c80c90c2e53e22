"""`reprise backup` and `reprise restore`."""

from pathlib import Path

from api.cli.failures import Failure
from api.cli.progress import EventProgress
from api.cli.terminal import say, shown, write_json
from infrastructure.backups.manifest import BackupInvalidError, Manifest
from infrastructure.backups.restoring import NotEmptyError, restore_backup
from infrastructure.backups.writing import take_backup
from infrastructure.database import database, migrated_database, require_data
from infrastructure.settings import settings_from


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
    with migrated_database(settings) as conninfo, EventProgress("backing up") as progress:
        manifest = take_backup(conninfo, folder, (settings.keys, keys) if keys else None, progress.show)
    _tell(manifest, f"Backed up: {{}} events in {folder}" + (f", keys in {keys}." if keys else ", without keys."), json)


def restore(folder: Path, /, *, keys: Path | None = None, json: bool = False) -> None:
    """Bring a backup back into an empty database, all of it or nothing.

    Everything else must be stopped. Every file is checked against the manifest first, and the log must be whole. Read
    models are made again by the worker, at its first start.

    Parameters
    ----------
    folder
        The folder of the log.
    keys
        The folder of the keys that were backed up together with it. They go to the service's home, where no others may
        be.
    json
        Write JSON.

    """
    settings = settings_from()
    with database(settings) as conninfo:
        try:
            manifest = restore_backup(conninfo, folder, (keys, settings.keys) if keys else None)
        except BackupInvalidError as error:
            raise Failure(str(error), "backup_invalid") from None
        except NotEmptyError as error:
            raise Failure(str(error), "not_empty") from None
    _tell(manifest, f"Restored: {{}} events, as of {manifest.taken_at:%Y-%m-%d %H:%M:%S}.", json)


def _tell(manifest: Manifest, sentence: str, as_json: bool) -> None:  # noqa: FBT001 - handed on from the command
    if as_json:
        write_json({"position": manifest.position, "takenAt": manifest.taken_at, "parts": manifest.parts})
    else:
        say(sentence.format(shown(manifest.position)))
