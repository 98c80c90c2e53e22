"""Writes a backup as of one moment, while everything continues."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from infrastructure.backups.manifest import FORMAT, BackupPart, Manifest, digest_of, write_manifest
from infrastructure.files.private_files import whole_file, write_whole
from infrastructure.postgres.tables import TABLES, Backup, Table

BUFFER = 1 << 20
ROWS_BETWEEN_REPORTS = 10_000
Report = Callable[[int, int], None]
"""Called with the number of rows written, and the number in the log."""


def take_backup(conninfo: str, folder: Path, keys: tuple[Path, Path] | None, report: Report) -> Manifest:
    """Write what the log needs to a new folder and, apart from it, what the keys need to another one.

    `keys` are the folder that the service has its keys in, and the one to write to. Only the owner can read the files.
    Raises `FileExistsError`.
    """
    folder.mkdir(mode=0o700, parents=True)
    if keys:
        keys[1].mkdir(mode=0o700, parents=True)
    with psycopg.connect(conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        manifest = _manifest(connection, list(_tables(connection, folder, Backup.LOG, report)), holds_keys=False)
        if keys:
            parts = [*_tables(connection, keys[1], Backup.KEYS, report), *_key_files(*keys)]
            write_manifest(keys[1], _manifest(connection, parts, holds_keys=True))
    write_manifest(folder, manifest)
    return manifest


def _manifest(connection: psycopg.Connection[Any], parts: list[BackupPart], *, holds_keys: bool) -> Manifest:
    applied = connection.execute("SELECT name FROM schema_migration.applied ORDER BY name").fetchall()
    return Manifest(
        format=FORMAT,
        taken_at=datetime.now(UTC),
        position=_head(connection),
        migrations=tuple(name for (name,) in applied),
        parts=tuple(parts),
        holds_keys=holds_keys,
    )


def _head(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute('SELECT "position" FROM log.head').fetchone()
    return int(row[0]) if row else 0


def _tables(connection: psycopg.Connection[Any], folder: Path, place: Backup, report: Report) -> Iterator[BackupPart]:
    total = _head(connection)
    for table in TABLES:
        if table.backup is place:
            yield _write_table(connection, folder, table, lambda rows: report(min(rows, total), total))


def _write_table(
    connection: psycopg.Connection[Any], folder: Path, table: Table, report: Callable[[int], None]
) -> BackupPart:
    path = folder / f"{table.name}.copy.gz"
    columns = tuple(sorted(table.columns))
    rows = 0
    with _compressed(path) as file, connection.cursor() as cursor, cursor.copy(_copy(table.name, columns)) as copy:
        for row in copy:
            file.write(row)
            rows += 1
            if rows % ROWS_BETWEEN_REPORTS == 0:
                report(rows)
    return BackupPart(path.name, path.stat().st_size, digest_of(path), table.name, columns, rows)


@contextmanager
def _compressed(path: Path) -> Iterator[BinaryIO]:
    with whole_file(path, replacing=False) as file:
        compressing = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
        with compressing, BufferedWriter(compressing, BUFFER) as buffered:
            yield buffered


def _copy(table: str, columns: tuple[str, ...]) -> Composed:
    names = SQL(", ").join(map(Identifier, columns))
    return SQL("COPY {} ({}) TO STDOUT").format(Identifier(*table.split(".")), names)


def _key_files(source: Path, folder: Path) -> Iterator[BackupPart]:
    for path in sorted(source.iterdir()) if source.is_dir() else []:
        if path.is_file() and not path.name.startswith("."):
            copied = folder / path.name
            write_whole(copied, path.read_bytes(), replacing=False)
            yield BackupPart(copied.name, copied.stat().st_size, digest_of(copied))
