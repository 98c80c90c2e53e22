"""A backup is the log as of one moment; restored, it is that log again, or nothing was restored."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.commands import CommandKey
from application.register_user import register_user
from application.service import Service
from domain.errors import EmailTaken
from infrastructure.audit.signing_keys import CheckpointKeyFile
from infrastructure.audit.sealing import seal_to_head
from infrastructure.audit.verification import verify_log
from infrastructure.backups.manifest import MANIFEST, BackupInvalidError, Manifest, Part
from infrastructure.backups.restoring import NotEmptyError, restore_backup
from infrastructure.backups.writing import take_backup
from infrastructure.connections import as_sealer
from infrastructure.data_map import TABLES, Backup
from infrastructure.service import open_service
from tests.support.audited import sealer
from tests.support.read_models import make_history, replayed_rows, rows_of
from tests.support.running import context, follow_to_head, registration, settings_in
from application.read_models import READ_MODELS

T = TypeVar("T")


class Scene:
    """A service with a past, and a database and a home to restore to."""

    def __init__(self, source: str, target: str, folder: Path) -> None:
        self.source = source
        self.target = target
        self.home = folder / "home"
        self.new_home = folder / "new home"
        self.log = folder / "backup of log"
        self.keys = folder / "backup of keys"

    def run(self, act: Callable[[Service], Awaitable[T]], *, restored: bool = False) -> T:
        home, database = (self.new_home, self.target) if restored else (self.home, self.source)

        async def scenario() -> T:
            async with open_service(settings_in(home), database) as service:
                return await act(service)

        return asyncio.run(scenario())

    def back_up(self) -> Manifest:
        keys = (settings_in(self.home).keys, self.keys)
        return take_backup(self.source, self.log, keys, lambda _, __: None)

    def restore(self) -> Manifest:
        return restore_backup(self.target, self.log, (self.keys, settings_in(self.new_home).keys))


@pytest.fixture
def scene(database: str, empty_database: str, tmp_path: Path) -> Scene:
    scene = Scene(database, empty_database, tmp_path)
    scene.run(lambda service: make_history(service, 30))
    return scene


def rows(conninfo: str, table: str) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        statement = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(*table.split(".")))
        return connection.execute(statement).fetchall()


def is_untouched(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as connection:
        there = connection.execute("SELECT to_regclass('log.event') IS NOT NULL").fetchone()
        return there == (False,) or connection.execute("SELECT count(*) FROM log.event").fetchone() == (0,)


def change_manifest(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(replace(manifest, **changes)))


def test_what_is_restored_is_what_was_backed_up(scene: Scene) -> None:
    with sealer(scene.source) as connection:
        keys = CheckpointKeyFile(settings_in(scene.home).keys, "log.example/test").keys()
        seal_to_head(connection, keys)
    scene.back_up()

    scene.restore()

    for table in TABLES:
        if table.backup is not Backup.NONE:
            assert rows(scene.target, table.name) == rows(scene.source, table.name), table.name
    assert verify_log(as_sealer(scene.target), keys.trusted, [], lambda _: None).findings == []


def test_the_service_goes_on_where_it_was(scene: Scene) -> None:
    key = CommandKey(b"key", b"fingerprint")
    before = scene.run(lambda s: s.commands.run(register_user, registration("ada"), context(key)))
    scene.back_up()
    scene.restore()

    again = scene.run(lambda s: s.commands.run(register_user, registration("ada"), context(key)), restored=True)
    with pytest.raises(EmailTaken):
        scene.run(lambda s: s.commands.run(register_user, registration("ADA"), context()), restored=True)
    after = scene.run(lambda s: s.commands.run(register_user, registration("new"), context()), restored=True)

    assert again == before
    assert after.position == before.position + 2


def test_read_models_are_not_backed_up_and_made_again(scene: Scene) -> None:
    follow_to_head(scene.source)
    scene.back_up()

    scene.restore()
    follow_to_head(scene.target)

    assert not any("read_model" in path.name for path in scene.log.iterdir())
    for model in READ_MODELS.values():
        assert rows_of(scene.target, model) == replayed_rows(scene.source, model)


def test_a_backup_is_as_of_one_moment_while_people_register(scene: Scene) -> None:
    enough = threading.Event()

    async def register_people(service: Service) -> None:
        for number in range(2_000):
            if enough.is_set() and number > 20:
                return
            await service.commands.run(register_user, registration(f"busy{number}"), context())

    writing = threading.Thread(target=lambda: scene.run(register_people))
    writing.start()
    try:
        manifest = scene.back_up()
    finally:
        enough.set()
        writing.join()

    scene.restore()

    restored = rows(scene.target, "log.event")
    assert len(restored) == manifest.position
    assert set(restored) <= set(rows(scene.source, "log.event"))


def test_a_backup_from_before_a_migration_is_brought_up_to_date(scene: Scene) -> None:
    manifest = scene.back_up()
    kept = tuple(part for part in manifest.parts if part.table != "log.command_retention")
    older = tuple(name for name in manifest.migrations if name < "0009")
    change_manifest(scene.log, migrations=older, parts=kept)
    change_manifest(scene.keys, migrations=older)

    scene.restore()

    assert rows(scene.target, "log.event") == rows(scene.source, "log.event")
    assert rows(scene.target, "log.command_retention") == rows(scene.source, "log.command_retention")


def test_only_the_owner_can_read_a_backup(scene: Scene) -> None:
    scene.back_up()

    assert {path.stat().st_mode & 0o077 for folder in (scene.log, scene.keys) for path in folder.rglob("*")} == {0}


def test_keys_are_apart_from_the_log(scene: Scene) -> None:
    manifest = scene.back_up()

    of_log = {part.table for part in manifest.parts}
    of_keys = {part.file for part in msgspec.json.decode((scene.keys / MANIFEST).read_bytes(), type=Manifest).parts}

    assert None not in of_log
    assert not any(table.startswith("keys.") for table in of_log if table)
    assert {"claims.key", "service.key"} <= of_keys


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda s: (s.log / MANIFEST).unlink(), "not a \\(complete\\) backup"),
        (lambda s: cut(s.log / "log.event.copy.gz"), "log.event.copy.gz is not what it was"),
        (lambda s: (s.log / "log.event.copy.gz").unlink(), "log.event.copy.gz is missing"),
        (lambda s: cut(s.keys / "claims.key"), "claims.key is not what it was"),
        (lambda s: (s.log / MANIFEST).write_text("{}"), "cannot be read"),
        (lambda s: change_manifest(s.log, format=2), "has the format 2"),
        (lambda s: change_manifest(s.log, parts=(Part("../x", 0, ""),)), "names a file elsewhere"),
        (lambda s: change_manifest(s.keys, position=7), "not backed up together"),
        (lambda s: change_manifest(s.log, holds_keys=True), "mistaken for each other"),
        (lambda s: newer(s), "newer version: 9999_future.sql"),
        (lambda s: without_events(s), "positions are missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_backup_is_refused_and_changes_nothing(
    scene: Scene, damage: Callable[[Scene], object], why: str
) -> None:
    scene.back_up()
    damage(scene)

    with pytest.raises(BackupInvalidError, match=why):
        scene.restore()

    assert is_untouched(scene.target)
    assert not scene.new_home.exists()


def newer(scene: Scene) -> None:
    for folder in (scene.log, scene.keys):
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        change_manifest(folder, migrations=(*manifest.migrations, "9999_future.sql"))


def without_events(scene: Scene) -> None:
    manifest = msgspec.json.decode((scene.log / MANIFEST).read_bytes(), type=Manifest)
    change_manifest(scene.log, parts=tuple(part for part in manifest.parts if part.table != "log.event"))


def test_a_database_in_use_is_not_restored_into(scene: Scene) -> None:
    scene.back_up()
    before = rows(scene.source, "log.event")
    scene.target = scene.source

    with pytest.raises(NotEmptyError, match="in use already"):
        scene.restore()

    assert rows(scene.source, "log.event") == before


def test_other_keys_are_not_written_over(scene: Scene) -> None:
    scene.back_up()
    key = settings_in(scene.new_home).keys / "claims.key"
    key.parent.mkdir(parents=True)
    key.write_bytes(b"another key")

    with pytest.raises(NotEmptyError, match="claims.key is another key"):
        scene.restore()

    assert key.read_bytes() == b"another key"
    assert is_untouched(scene.target)


def test_a_restore_that_was_refused_can_be_done_again_with_the_right_files(scene: Scene) -> None:
    scene.back_up()
    manifest = (scene.log / MANIFEST).read_bytes()
    without_events(scene)
    with pytest.raises(BackupInvalidError):
        scene.restore()
    (scene.log / MANIFEST).write_bytes(manifest)

    scene.restore()

    assert rows(scene.target, "log.event") == rows(scene.source, "log.event")


def test_a_folder_that_is_there_is_not_written_to(scene: Scene) -> None:
    scene.log.mkdir()

    with pytest.raises(FileExistsError):
        scene.back_up()

    assert list(scene.log.iterdir()) == []
