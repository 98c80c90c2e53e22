"""Nothing is left of an erased person in any file, of the database or of Reprise; everything of the others is there."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.history.queries import AuditFilter, Timeline
from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.queries import PageRequest
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.directory import USER_DIRECTORY
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.queries import Users
from application.users.register_user import register_user
from application.users.suspend_user import SuspendUser, suspend_user
from infrastructure.composition import open_service
from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.database import migrate_embedded
from infrastructure.privacy.scrubbing import scrub
from infrastructure.projections.rebuild.rebuilding import rebuild
from infrastructure.settings import Settings
from tests.support.running import context, follow_to_head, registration, settings_in, worker
from tests.support.waiting import eventually

PEOPLE = 200
FIRST_BIRTH = date(1900, 1, 1)


class Person:
    """Somebody with texts that nobody else has, in every personal field."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = uuid.UUID(int=0)
        self._token = uuid.uuid4().hex
        self.born = FIRST_BIRTH + timedelta(days=37 * number)

    def canary(self, field: str) -> str:
        return f"{field}{self._token}"[:50]

    @property
    def canaries(self) -> list[str]:
        return [self.canary(field) for field in ("mail", "name", "crm", "next", "newname", "why", "meta")]

    async def live(self, service: Service) -> None:
        """Everything that can be said about somebody."""
        facts = {"display_name": self.canary("name"), "birth_date": self.born, "external_id": self.canary("crm")}
        asked = registration(self.canary("mail"), **facts)
        self.id = (await service.commands.run(register_user, asked, context())).aggregate_id
        change = RequestEmailChange(user_id=self.id, email=f"{self.canary('next')}@example.com")
        await service.commands.run(request_email_change, change, context())
        why = replace(context(), metadata=replace(context().metadata, reason=self.canary("meta")))
        patch = ProfilePatch(display_name=self.canary("newname"))
        await service.commands.run(change_profile, ChangeProfile(user_id=self.id, patch=patch), why)
        await service.commands.run(suspend_user, SuspendUser(user_id=self.id, reason=self.canary("why")), context())


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Settings, str, list[Person]]]:
    """A database of its own, in which people live and half of them are erased."""
    folder = tmp_path_factory.mktemp("canaries")
    settings = settings_in(folder / "home")
    people = [Person(number) for number in range(PEOPLE)]
    with embedded_postgres(folder / "postgres") as server:
        conninfo = server.conninfo()
        migrate_embedded(conninfo)
        with worker(settings, conninfo):
            asyncio.run(_live(settings, conninfo, people))
            with psycopg.connect(conninfo, autocommit=True) as owner:
                eventually(lambda: _swept(owner) == PEOPLE // 2, "all erasures to be swept up after")
                scrub(owner)
        yield folder, settings, conninfo, people


async def _live(settings: Settings, conninfo: str, people: list[Person]) -> None:
    async with open_service(settings, conninfo) as service:
        await asyncio.gather(*(person.live(service) for person in people))
        position = await service.log.head()
        rebuild(as_projector(conninfo), USER_DIRECTORY)  # leaves rows that nobody follows any more
        await service.using(Timeline).search(AuditFilter(), PageRequest(min_position=position))
        for person in _erased(people):
            await service.commands.run(erase_user, EraseUser(user_id=person.id), context())


def _erased(people: list[Person]) -> list[Person]:
    return people[::2]


def _swept(owner: psycopg.Connection[Any]) -> int:
    row = owner.execute("SELECT count(*) FROM keys.erasure WHERE swept_at IS NOT NULL").fetchone()
    return row[0] if row else 0


def _files(folder: Path, conninfo: str) -> dict[Path, bytes]:
    """Every file there is, but WAL segments from before the last switch, whose time is not over."""
    with psycopg.connect(conninfo) as owner:
        row = owner.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
    assert row is not None
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path: path.read_bytes() for path in paths if path.parent.name != "pg_wal" or path.name >= row[0]}


def test_no_file_holds_anything_of_an_erased_person(lives: tuple[Path, Settings, str, list[Person]]) -> None:
    folder, _, conninfo, people = lives
    files = _files(folder, conninfo)

    found = {
        (path.relative_to(folder), canary)
        for path, content in files.items()
        for person in _erased(people)
        for canary in person.canaries
        if canary.encode() in content
    }

    assert len(files) > 500
    assert found == set()
    # The same search finds the others, where the data map says that they are.
    others = [person.canary("newname").encode() for person in people[1::2]]
    assert all(any(name in content for content in files.values()) for name in others)


def test_a_scrub_waits_for_whoever_still_sees_what_was_deleted(history: str) -> None:
    """A row that somebody sees is taken along into the new file, however dead it is to everybody else."""
    follow_to_head(history)
    table, canary = sql.Identifier("read_model", "user_directory_1"), f"canary{uuid.uuid4().hex}"
    rename = sql.SQL("UPDATE {} SET display_name = %s").format(table)
    with psycopg.connect(history, autocommit=True) as owner, psycopg.connect(history) as reader:
        owner.execute(rename, (canary,))
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")  # It has not looked at the table yet, and so does not lock it, but it may.
        owner.execute(rename, ("Nobody",))
        assert canary.encode() in _file_of(reader, "read_model.user_directory_1")

        scrubbing = threading.Thread(target=scrub, args=(owner,))
        scrubbing.start()
        eventually(lambda: _is_looking(reader, owner.info.backend_pid) or not scrubbing.is_alive(), "the scrub to wait")
        assert scrubbing.is_alive()
        reader.rollback()
        scrubbing.join()

        assert canary.encode() not in _file_of(reader, "read_model.user_directory_1")


def _is_looking(connection: psycopg.Connection[Any], process_id: int) -> bool:
    connection.execute("SELECT pg_stat_clear_snapshot()")
    row = connection.execute(
        "SELECT query LIKE '%%pg_prepared_xacts%%' FROM pg_stat_activity WHERE pid = %s", (process_id,)
    )
    return row.fetchone() == (True,)


def _file_of(connection: psycopg.Connection[Any], table: str) -> bytes:
    """The first file of a table, with all that is in memory of it."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as other:
        other.execute("CHECKPOINT")
        row = other.execute("SELECT current_setting('data_directory'), pg_relation_filepath(%s)", (table,)).fetchone()
    assert row is not None
    return Path(*row).read_bytes()


def test_everything_of_everybody_else_can_be_read(lives: tuple[Path, Settings, str, list[Person]]) -> None:
    _, settings, conninfo, people = lives

    async def told() -> list[str]:
        async with open_service(settings, conninfo) as service:
            return [repr(await _all_about(service, person)) for person in people[1::2]]

    for person, text in zip(people[1::2], asyncio.run(told()), strict=True):
        assert [canary for canary in person.canaries if canary not in text] == []
        assert str(person.born) in text


async def _all_about(service: Service, person: Person) -> Any:
    page = await service.using(Timeline).of_user(person.id, PageRequest(limit=200))
    user, _ = await service.using(Users).user(person.id)
    return [page.items, user]


def test_erased_people_are_gone_from_what_can_be_asked(lives: tuple[Path, Settings, str, list[Person]]) -> None:
    _, settings, conninfo, people = lives

    async def told() -> str:
        async with open_service(settings, conninfo) as service:
            return repr([await _all_about(service, person) for person in _erased(people)])

    text = asyncio.run(told())

    assert [canary for person in _erased(people) for canary in person.canaries if canary in text] == []
    assert text.count("[erased]") > 8 * len(_erased(people))
