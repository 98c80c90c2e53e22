"""Receipts of erasures: complete, outside of the database, whatever is cut off or replaced meanwhile."""

import asyncio
import stat
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ports import Service
from application.unit_of_work import Saved, UnitOfWork
from application.users.register_user import register_user
from domain.users import User
from infrastructure.composition import open_service
from infrastructure.privacy.erasure_receipts import (
    ReceiptsDamagedError,
    StoredReceipt,
    append_receipts,
    came_back,
    noting_erasures,
    read_receipts,
    receipts_path,
)
from tests.support.instants import NOW
from tests.support.running import context, projector, registration, settings_in


async def erase_user(user_id: UUID, work: UnitOfWork) -> Saved:
    user = await work.target(User, user_id)

    user.erase()

    return await work.save(user)


class People:
    """People of one service."""

    def __init__(self, database: str, home: Path) -> None:
        self._database = database
        self._home = home

    def come(self, *names: str) -> list[UUID]:
        async def come(service: Service) -> list[UUID]:
            return [
                (await service.commands.run(register_user, registration(name), context())).aggregate_id
                for name in names
            ]

        return asyncio.run(self._with_service(come))

    def are_erased(self, people: Sequence[UUID]) -> None:
        async def erase(service: Service) -> list[UUID]:
            return [(await service.commands.run(erase_user, person, context())).aggregate_id for person in people]

        asyncio.run(self._with_service(erase))

    async def _with_service(self, act: Callable[[Service], Awaitable[list[UUID]]]) -> list[UUID]:
        async with open_service(settings_in(self._home), self._database) as service:
            return await act(service)


@pytest.fixture
def people(database: str, home: Path) -> People:
    return People(database, home)


@pytest.fixture
def path(home: Path) -> Path:
    return receipts_path(home)


def note_all(database: str, path: Path) -> None:
    note = noting_erasures(path)
    with projector(database) as connection:
        while note(connection):
            pass


def a_receipt(position: int = 1) -> StoredReceipt:
    return StoredReceipt(user_id=uuid4(), erased_at=NOW, position=position, actor="admin:root")


def test_each_erasure_is_written_down_once_with_who_and_when(database: str, people: People, path: Path) -> None:
    ada, _, eve = people.come("ada", "bob", "eve")
    people.are_erased([ada])
    note_all(database, path)
    people.are_erased([eve])

    note_all(database, path)
    note_all(database, path)

    first, second = read_receipts(path)
    assert (first.user_id, second.user_id) == (ada, eve)
    assert (first.position, first.actor) == (7, "service:web")
    assert first.erased_at <= second.erased_at


def test_a_receipt_says_nothing_of_the_person_but_the_id(database: str, people: People, path: Path) -> None:
    people.are_erased(people.come("zq7canary"))

    note_all(database, path)

    assert "zq7canary" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_erasures_there_is_no_file(database: str, people: People, path: Path) -> None:
    people.come("ada")

    note_all(database, path)

    assert not path.exists()
    assert read_receipts(path) == []


def test_a_line_that_was_cut_off_is_written_again(database: str, people: People, path: Path) -> None:
    ada, bob = people.come("ada", "bob")
    people.are_erased([ada, bob])
    note_all(database, path)
    path.write_bytes(path.read_bytes()[:-20])

    note_all(database, path)

    assert [receipt.user_id for receipt in read_receipts(path)] == [ada, bob]


def test_a_damaged_line_is_named_and_not_passed_over(path: Path) -> None:
    append_receipts(path, [a_receipt(), a_receipt()])
    path.write_bytes(path.read_bytes().replace(b'"userId"', b'"user"', 1))

    with pytest.raises(ReceiptsDamagedError, match="Line 1"):
        read_receipts(path)


def test_processes_that_write_at_once_do_not_mix_their_lines(path: Path) -> None:
    receipts = [a_receipt(position) for position in range(200)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda receipt: append_receipts(path, [receipt]), receipts))

    assert sorted(receipt.position for receipt in read_receipts(path)) == list(range(200))


def test_a_worker_goes_on_in_a_log_that_was_replaced_by_an_older_one(database: str, people: People, path: Path) -> None:
    append_receipts(path, [a_receipt(position=900)])
    (ada,) = people.come("ada")
    people.are_erased([ada])

    note_all(database, path)

    assert read_receipts(path)[-1].user_id == ada


def test_who_came_back_is_found_by_the_receipts(database: str, people: People) -> None:
    ada, bob, eve = people.come("ada", "bob", "eve")
    people.are_erased([ada])
    receipts = [StoredReceipt(user_id=person, erased_at=NOW, position=1) for person in (ada, bob, uuid4())]

    with projector(database) as connection:
        found = came_back(connection, receipts)

    assert found == [bob]
    assert eve not in found


@pytest.mark.parametrize("change", ["state = '['", "reason = E'\\x01===='", "reason = E'\\x01' || repeat('A', 60)"])
def test_an_erasure_that_cannot_be_read_keeps_no_other_receipt_from_being_written(
    database: str, people: People, path: Path, change: str
) -> None:
    erased = people.come("ada", "bob")
    people.are_erased(erased)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(f"UPDATE log.event SET {change} WHERE topic = 'user.erased' AND stream_id = %s", (erased[0],))  # noqa: S608 - ours

    with projector(database) as connection:
        noting_erasures(path)(connection)

    assert [receipt.user_id for receipt in read_receipts(path)] == erased
