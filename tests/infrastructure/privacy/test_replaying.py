"""A backup that is restored brings nobody back who was erased since it was taken."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest

from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.users.queries import Users
from application.users.register_user import register_user
from infrastructure.backups.restoring import restore_backup
from infrastructure.backups.writing import take_backup
from infrastructure.composition import open_commands, open_service
from infrastructure.postgres.logins import provide_logins
from infrastructure.privacy.erasing_again import bring_nobody_back
from infrastructure.privacy.erasure_receipts import noting_erasures, read_receipts, receipts_path
from infrastructure.settings import Settings
from tests.support.read_models import head_of
from tests.support.running import context, projector, registration, settings_in

T = TypeVar("T")
NAMES = ("ada", "bob", "eve", "joe")


class Scene:
    """A service that is backed up, erases people, and is restored elsewhere."""

    def __init__(self, source: str, target: str, folder: Path) -> None:
        self.source, self.target = source, target
        self.old, self.new = settings_in(folder / "old"), settings_in(folder / "new")
        self._log, self._keys = folder / "log", folder / "keys"
        self.people: dict[str, UUID] = {}

    def begins(self) -> None:
        self.people = {name: self.register(self.old, self.source, name) for name in NAMES}
        take_backup(self.source, self._log, (self.old.keys, self._keys), lambda _, __: None)

    def register(self, settings: Settings, database: str, name: str) -> UUID:
        command = registration(name)
        return run(settings, database, lambda s: s.commands.run(register_user, command, context())).aggregate_id

    def erases(self, *names: str) -> None:
        async def erase(service: Service) -> None:
            for name in names:
                await service.commands.run(erase_user, EraseUser(user_id=self.people[name]), context())

        run(self.old, self.source, erase)
        note = noting_erasures(receipts_path(self.old.home))
        with projector(self.source) as connection:
            while note(connection):
                pass

    def is_restored(self, *, with_receipts: bool = True) -> None:
        restore_backup(self.target, self._log, (self._keys, self.new.keys))
        provide_logins(self.target)
        if with_receipts:
            receipts_path(self.new.home).parent.mkdir(parents=True)
            shutil.copy(receipts_path(self.old.home), receipts_path(self.new.home))

    def starts(self) -> None:
        bring_nobody_back(self.new, self.target, open_commands)

    def alive(self) -> set[str]:
        async def find(service: Service) -> set[str]:
            users = {name: (await service.using(Users).user(user_id))[0] for name, user_id in self.people.items()}
            return {name for name, user in users.items() if user is not None and not user.erased}

        return run(self.new, self.target, find)

    def keys(self) -> dict[UUID, bool]:
        with psycopg.connect(self.target) as connection:
            return dict(connection.execute("SELECT subject_id, wrapped IS NOT NULL FROM keys.subject_key").fetchall())


def run(settings: Settings, database: str, act: Callable[[Service], Awaitable[T]]) -> T:
    async def scenario() -> T:
        async with open_service(settings, database) as service:
            return await act(service)

    return asyncio.run(scenario())


@pytest.fixture
def scene(database: str, empty_database: str, tmp_path: Path) -> Scene:
    scene = Scene(database, empty_database, tmp_path)
    scene.begins()
    return scene


def test_without_receipts_people_would_come_back(scene: Scene) -> None:
    scene.erases("ada")
    scene.is_restored(with_receipts=False)

    scene.starts()

    assert scene.alive() == set(NAMES)


def test_whoever_was_erased_since_is_erased_again_and_nobody_else(scene: Scene) -> None:
    scene.erases("ada", "eve")
    scene.is_restored()

    scene.starts()

    assert scene.alive() == {"bob", "joe"}
    has_key = scene.keys()
    assert [has_key[scene.people[name]] for name in NAMES] == [False, True, False, True]


def test_the_address_is_free_again_and_gets_a_new_account(scene: Scene) -> None:
    scene.erases("ada")
    scene.is_restored()
    scene.starts()

    assert scene.register(scene.new, scene.target, "ada") not in scene.people.values()


def test_the_next_start_has_nothing_left_to_do(scene: Scene) -> None:
    scene.erases("ada")
    scene.is_restored()
    scene.starts()
    head = head_of(scene.target)

    scene.starts()

    assert head_of(scene.target) == head


def test_processes_that_start_at_once_erase_once(scene: Scene) -> None:
    scene.erases(*NAMES)
    scene.is_restored()

    with ThreadPoolExecutor(4) as pool:
        for start in [pool.submit(scene.starts) for _ in range(4)]:
            start.result()

    with psycopg.connect(scene.target) as connection:
        erased = connection.execute("SELECT count(*) FROM log.event WHERE topic = 'user.erased'").fetchone()
    assert (scene.alive(), erased) == (set(), (len(NAMES),))


def test_receipts_of_what_was_erased_again_are_not_written_twice(scene: Scene) -> None:
    scene.erases("ada")
    scene.is_restored()
    scene.starts()

    note = noting_erasures(receipts_path(scene.new.home))
    with projector(scene.target) as connection:
        while note(connection):
            pass

    assert [receipt.user_id for receipt in read_receipts(receipts_path(scene.new.home))] == [scene.people["ada"]]
