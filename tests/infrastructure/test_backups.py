"""A backup is the log as of one moment; restored, it is that log again, or nothing was restored."""

import asyncio
import gzip
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.commands import CommandKey
from application.ports import Service
from application.read_models import READ_MODELS
from application.users.register_user import register_user
from domain.errors import EmailTaken
from infrastructure.backups.manifest import MANIFEST, BackupInvalidError, BackupPart, Manifest, digest_of
from infrastructure.backups.restoring import NotEmptyError, restore_backup
from infrastructure.backups.writing import take_backup
from infrastructure.composition import open_service
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.connections import as_sealer
from infrastructure.postgres.logins import provide_logins
from infrastructure.postgres.schema import migrate, migrations
from infrastructure.postgres.tables import TABLES, Backup
from infrastructure.proof.checkpointing import seal_to_head
from infrastructure.proof.signing_keys import CheckpointKeyFile
from infrastructure.proof.verification import verify_log
from infrastructure.users.claims.key_in_force import ClaimsKeyForeignError
from tests.support.audited import sealer
from tests.support.cli import new_database
from tests.support.read_models import make_history, replayed_rows, rows_of
from tests.support.running import context, follow_to_head, registration, settings_in

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
    scene.run(lambda service: make_history(service, 20))
    return scene


@pytest.fixture(scope="module")
def taken(server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A backup that tests make copies of."""
    with new_database(server, template) as source:
        scene = Scene(source, "", tmp_path_factory.mktemp("taken"))
        scene.run(lambda service: make_history(service, 20))
        scene.back_up()
        yield scene


@pytest.fixture
def copied(taken: Scene, empty_database: str, tmp_path: Path) -> Scene:
    """A backup of its own, of a service with a past."""
    scene = Scene(taken.source, empty_database, tmp_path)
    shutil.copytree(taken.log, scene.log)
    shutil.copytree(taken.keys, scene.keys)
    return scene


def rows(conninfo: str, table: str) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        statement = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(*table.split(".")))
        return connection.execute(statement).fetchall()


def is_untouched(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as connection:
        there = connection.execute("SELECT to_regclass('log.event') IS NOT NULL").fetchone()
        return there == (False,) or connection.execute("SELECT count(*) FROM log.event").fetchone() == (0,)


def manifest_of(folder: Path) -> Manifest:
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


def change_manifest(folder: Path, **changes: Any) -> None:
    (folder / MANIFEST).write_bytes(msgspec.json.encode(replace(manifest_of(folder), **changes)))


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


def test_what_is_restored_is_refused_to_a_process_with_another_claims_key(scene: Scene) -> None:
    scene.back_up()
    scene.restore()
    (settings_in(scene.new_home).keys / "claims.key").write_bytes(b"x" * 32)

    with pytest.raises(ClaimsKeyForeignError):
        scene.run(lambda s: s.commands.run(register_user, registration("ada"), context()), restored=True)


def test_read_models_are_not_backed_up_and_made_again(scene: Scene) -> None:
    follow_to_head(scene.source)
    scene.back_up()

    scene.restore()
    provide_logins(scene.target)
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


def test_a_backup_from_before_migrations_is_brought_up_to_date(scene: Scene) -> None:
    older = [known for known in migrations() if known.name < "0009"]
    migrate(scene.target, older)
    scene.back_up()
    for folder in (scene.log, scene.keys):
        parts = [as_before(scene.target, folder, part) for part in manifest_of(folder).parts]
        parts = [part for part in parts if part.table is None or part.columns]
        change_manifest(folder, migrations=[known.name for known in older], parts=parts)

    scene.restore()

    assert rows(scene.target, "log.event") == rows(scene.source, "log.event")
    assert rows(scene.target, "log.command_retention") == rows(scene.source, "log.command_retention")
    assert migrate(scene.target) == []


def as_before(conninfo: str, folder: Path, part: BackupPart) -> BackupPart:
    """The file as it would be without the columns that a table does not have there; none, if there is no table."""
    if part.table is None:
        return part
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s)", (part.table,))
        there = {name for (name,) in found}
    places = [place for place, column in enumerate(part.columns) if column in there]
    path = folder / part.file
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    kept = ["\t".join(line.split("\t")[place] for place in places) + "\n" for line in lines]
    path.write_bytes(gzip.compress("".join(kept).encode()))
    columns = tuple(part.columns[place] for place in places)
    return replace(part, columns=columns, octets=path.stat().st_size, sha256=digest_of(path))


def test_only_the_owner_can_read_a_backup(copied: Scene) -> None:

    assert {path.stat().st_mode & 0o077 for folder in (copied.log, copied.keys) for path in folder.rglob("*")} == {0}


def test_keys_are_apart_from_the_log(copied: Scene) -> None:
    of_log, of_keys = manifest_of(copied.log).parts, manifest_of(copied.keys).parts

    assert {None, "keys.subject_key", "keys.master_key"}.isdisjoint(part.table for part in of_log)
    assert {"keys.subject_key", "keys.master_key"} <= {part.table for part in of_keys}
    assert {"claims.key", "service.key"} <= {part.file for part in of_keys}


def newer(scene: Scene) -> None:
    for folder in (scene.log, scene.keys):
        change_manifest(folder, migrations=(*manifest_of(folder).migrations, "9999_future.sql"))


def without_events(scene: Scene) -> None:
    parts = tuple(part for part in manifest_of(scene.log).parts if part.table != "log.event")
    change_manifest(scene.log, parts=parts)


def test_a_backup_of_the_log_without_the_keys_tells_of_nobody(copied: Scene) -> None:
    contents = [gzip.decompress((copied.log / part.file).read_bytes()) for part in manifest_of(copied.log).parts]

    assert any(b"user.registered" in content for content in contents)
    assert not any(b"@example.com" in content or b"Name 1" in content for content in contents)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda s: (s.log / MANIFEST).unlink(), "is not a backup, or an incomplete one"),
        (lambda s: cut(s.log / "log.event.copy.gz"), "log.event.copy.gz has changed since the backup"),
        (lambda s: (s.log / "log.event.copy.gz").unlink(), "log.event.copy.gz is missing"),
        (lambda s: cut(s.keys / "claims.key"), "claims.key has changed since the backup"),
        (lambda s: (s.log / MANIFEST).write_text("{}"), "cannot be read"),
        (lambda s: change_manifest(s.log, format=2), "has the format 2"),
        (lambda s: change_manifest(s.log, parts=(BackupPart("../x", 0, ""),)), "names a file outside of the folder"),
        (lambda s: change_manifest(s.keys, position=7), "not backed up together"),
        (lambda s: change_manifest(s.log, holds_keys=True), "appear to be swapped"),
        (newer, "newer version: migration 9999_future.sql"),
        (without_events, "positions are missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_backup_is_refused_and_changes_nothing(
    copied: Scene, damage: Callable[[Scene], object], why: str
) -> None:
    damage(copied)

    with pytest.raises(BackupInvalidError, match=why):
        copied.restore()

    assert is_untouched(copied.target)
    assert not copied.new_home.exists()


def test_a_database_in_use_is_not_restored_into(copied: Scene) -> None:
    before = rows(copied.source, "log.event")
    copied.target = copied.source

    with pytest.raises(NotEmptyError, match="in use"):
        copied.restore()

    assert rows(copied.source, "log.event") == before


def test_other_keys_are_not_written_over(copied: Scene) -> None:
    key = settings_in(copied.new_home).keys / "claims.key"
    key.parent.mkdir(parents=True)
    key.write_bytes(b"another key")

    with pytest.raises(NotEmptyError, match="differs from the key"):
        copied.restore()

    assert key.read_bytes() == b"another key"
    assert is_untouched(copied.target)


def test_a_restore_that_was_refused_can_be_done_again_with_the_right_files(copied: Scene) -> None:
    manifest = (copied.log / MANIFEST).read_bytes()
    without_events(copied)
    with pytest.raises(BackupInvalidError):
        copied.restore()
    (copied.log / MANIFEST).write_bytes(manifest)

    copied.restore()

    assert rows(copied.target, "log.event") == rows(copied.source, "log.event")


def test_a_folder_that_is_there_is_not_written_to(scene: Scene) -> None:
    scene.log.mkdir()

    with pytest.raises(FileExistsError):
        scene.back_up()

    assert list(scene.log.iterdir()) == []
