"""Brings a backup back into an empty database: all of it, or nothing."""

import gzip
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from infrastructure.backups.manifest import BackupInvalidError, BackupPart, Manifest, read_manifest
from infrastructure.files.private_files import write_whole
from infrastructure.postgres.schema import migrate, migrations

CHUNK = 1 << 20


class NotEmptyError(Exception):
    """There is something already where the backup is to go."""


def restore_backup(conninfo: str, folder: Path, keys: tuple[Path, Path] | None) -> Manifest:
    """Restore the log and, if given, its keys: from one folder of keys to the one of the service.

    The schema becomes the one that the backup was taken with, and then that of this version. Read models are not part
    of it: workers make them again. Raises `BackupInvalidError` and `NotEmptyError`, having changed no row and no key.
    """
    manifest, manifest_of_keys = read_manifest(folder), read_manifest(keys[0]) if keys else None
    _require_a_pair(manifest, manifest_of_keys)
    key_files = [part for part in manifest_of_keys.parts if part.table is None] if manifest_of_keys else []
    if keys:
        _require_room_for_keys(*keys, key_files)
    _require_empty(conninfo, manifest)
    migrate(conninfo, [known for known in migrations() if known.name in manifest.migrations])
    with psycopg.connect(conninfo) as connection:
        _load(connection, folder, manifest)
        if keys and manifest_of_keys:
            _load(connection, keys[0], manifest_of_keys)
        _require_whole(connection, manifest)
        # What letters say about rows that are gone is pointless; what was resolved stays so.
        connection.execute(
            "UPDATE projection.letter SET state = 'superseded', closed_at = clock_timestamp(), wish = NULL "
            "WHERE state IN ('open', 'blocking')"
        )
        if keys:
            _copy_keys(*keys, key_files)
    migrate(conninfo)
    return manifest


def _require_a_pair(manifest: Manifest, of_keys: Manifest | None) -> None:
    if manifest.holds_keys or (of_keys and not of_keys.holds_keys):
        raise BackupInvalidError("The folders of the log and of the keys appear to be swapped.")
    if of_keys and (of_keys.position, of_keys.migrations) != (manifest.position, manifest.migrations):
        raise BackupInvalidError("These keys were not backed up together with this log.")
    unknown = set(manifest.migrations) - {known.name for known in migrations()}
    if unknown:
        raise BackupInvalidError(f"The backup was made by a newer version: migration {min(unknown)} is unknown.")


def _require_room_for_keys(source: Path, target: Path, parts: list[BackupPart]) -> None:
    for part in parts:
        present = target / part.file
        if present.exists() and present.read_bytes() != (source / part.file).read_bytes():
            raise NotEmptyError(f"{present} differs from the key in the backup. Move it away first.")


def _require_empty(conninfo: str, manifest: Manifest) -> None:
    with psycopg.connect(conninfo) as connection:
        if not _exists(connection, "schema_migration.applied"):
            return
        applied = {name for (name,) in connection.execute("SELECT name FROM schema_migration.applied")}
        head = connection.execute('SELECT "position" FROM log.head').fetchone() if "0001_log.sql" in applied else None
        if not applied <= set(manifest.migrations) or (head and head[0]):
            raise NotEmptyError("The database is already in use. A backup can only be restored into an empty one.")


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])


def _load(connection: psycopg.Connection[Any], folder: Path, manifest: Manifest) -> None:
    for part in manifest.parts:
        if part.table is not None:
            _load_table(connection, folder / part.file, part, Identifier(*part.table.split(".")))


def _load_table(connection: psycopg.Connection[Any], path: Path, part: BackupPart, table: Identifier) -> None:
    """Put the rows in place of those that migrations made; the triggers that refuse changes rest meanwhile."""
    names = SQL(", ").join(map(Identifier, part.columns))
    connection.execute(SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))
    connection.execute(SQL("DELETE FROM {}").format(table))
    with gzip.open(path, "rb") as file, connection.cursor() as cursor:
        with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy:
            while octets := file.read(CHUNK):
                copy.write(octets)
        if cursor.rowcount != part.rows:
            raise BackupInvalidError(f"{path} has {cursor.rowcount} rows instead of {part.rows}.")
    connection.execute(SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(table))


def _require_whole(connection: psycopg.Connection[Any], manifest: Manifest) -> None:
    row = connection.execute(
        'SELECT count(*), coalesce(max(e."position"), 0), (SELECT h."position" FROM log.head h) FROM log.event e'
    ).fetchone()
    if row != (manifest.position,) * 3:
        raise BackupInvalidError("The log in the backup is incomplete: positions are missing.")


def _copy_keys(source: Path, target: Path, parts: list[BackupPart]) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in parts:
        write_whole(target / part.file, (source / part.file).read_bytes())
