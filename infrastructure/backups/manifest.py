"""What a backup consists of. The manifest is written last: a folder with one is complete."""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from infrastructure.files.private_files import write_whole

MANIFEST = "manifest.json"
FORMAT = 1


class BackupInvalidError(Exception):
    """A folder is not a backup, or not what it was. Says which part, and nothing of what it holds."""


class BackupPart(msgspec.Struct, frozen=True, rename="camel"):
    """One file: the rows of a table as COPY writes them (text, gzip), or a file of keys as it was."""

    file: str
    octets: int
    sha256: str
    table: str | None = None
    columns: tuple[str, ...] = ()
    rows: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A whole folder: the log, or the keys that belong to it."""

    format: int
    taken_at: datetime
    position: int
    """The head of the log in this backup."""
    migrations: tuple[str, ...]
    """What the schema consisted of."""
    parts: tuple[BackupPart, ...]
    holds_keys: bool = False


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the folder a backup."""
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all there and unchanged. Raises `BackupInvalidError`."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupInvalidError(f"{folder} is not a backup, or an incomplete one: it has no {MANIFEST}.") from None
    except msgspec.MsgspecError as error:
        raise BackupInvalidError(f"{folder / MANIFEST} cannot be read: {error}.") from None
    if manifest.format != FORMAT:
        raise BackupInvalidError(f"{folder} has the format {manifest.format}; this version reads {FORMAT}.")
    for part in manifest.parts:
        _check(folder, part)
    return manifest


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(folder: Path, part: BackupPart) -> None:
    path = folder / part.file
    if part.file != path.name:
        raise BackupInvalidError(f"{folder / MANIFEST} names a file outside of the folder.")
    if not path.is_file():
        raise BackupInvalidError(f"{path} is missing.")
    if digest_of(path) != part.sha256:
        raise BackupInvalidError(f"{path} has changed since the backup.")
