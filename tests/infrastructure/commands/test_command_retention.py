"""Idempotency keys are forgotten after a while, and nothing else is."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from application.commands import CommandKey
from application.imports.import_people import Line, import_people
from application.users.register_user import register_user
from infrastructure.commands.idempotency_keys import KeyedCommandKeys
from infrastructure.commands.retention import forget_commands, forgetting
from infrastructure.composition import open_service
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.secrets.keyring import load_keyring
from tests.support.running import context, projector, registration, settings_in

THREE_DAYS = timedelta(days=3)
PEOPLE = [
    b'{"email": "%d@example.com", "displayName": "Ada", "country": "GB", "externalId": "crm-%d"}' % (number, number)
    for number in range(20)
]


class Service:
    """A service whose clock for keys can be put forward."""

    def __init__(self, database: str, home: Path) -> None:
        self._database = database
        self._settings = settings_in(home)

    def register(self, *names: str) -> None:
        async def register() -> None:
            async with open_service(self._settings, self._database) as service:
                for name in names:
                    key = CommandKey(name.encode(), b"fingerprint")
                    await service.commands.run(register_user, registration(name), context(key))

        asyncio.run(register())

    def take_over_people(self) -> list[str]:
        keys = KeyedCommandKeys(load_keyring(self._settings.keys).derive("commands"))

        async def lines() -> Any:
            for number, content in enumerate(PEOPLE, 1):
                yield Line(number, content)

        async def take_over() -> list[str]:
            async with open_service(self._settings, self._database) as service:
                return [str(r.outcome) async for r in import_people(lines(), service.commands, keys, set())]

        return asyncio.run(take_over())

    def let_pass(self, time: timedelta) -> None:
        with psycopg.connect(self._database) as owner:
            owner.execute("UPDATE log.command SET recorded_at = recorded_at - %s", (time,))

    def kept(self) -> set[bytes]:
        with projector_reading_keys(self._database) as connection:
            return {bytes(key) for (key,) in connection.execute("SELECT key FROM log.command")}


def projector_reading_keys(database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(in_role(database, APP_ROLE), autocommit=True)


@pytest.fixture
def service(database: str, home: Path) -> Service:
    return Service(database, home)


def test_a_key_is_forgotten_when_its_time_is_over_and_not_before(database: str, service: Service) -> None:
    service.register("ada", "bob")
    service.let_pass(THREE_DAYS)
    service.register("eve")

    with projector(database) as connection:
        assert forget_commands(connection, THREE_DAYS) == 2
        assert forget_commands(connection, THREE_DAYS) == 0

    assert service.kept() == {b"eve"}


def test_many_keys_are_forgotten_in_pieces(database: str, service: Service) -> None:
    service.register(*(f"user{number}" for number in range(10)))
    service.let_pass(THREE_DAYS)

    with projector(database) as connection:
        pieces = [forget_commands(connection, THREE_DAYS, at_most=4) for _ in range(4)]

    assert pieces == [4, 4, 2, 0]
    assert service.kept() == set()


def test_a_file_can_be_imported_again_at_any_time(database: str, service: Service) -> None:
    assert service.take_over_people() == ["imported"] * len(PEOPLE)
    service.register("ada")
    service.let_pass(timedelta(days=1000))

    with projector(database) as connection:
        while forget_commands(connection, THREE_DAYS, at_most=5):
            pass

    assert b"ada" not in service.kept()
    assert service.take_over_people() == ["alreadyImported"] * len(PEOPLE)


def test_nobody_can_have_keys_forgotten_that_are_younger_than_a_day(database: str, service: Service) -> None:
    service.register("ada")

    with projector(database) as connection, pytest.raises(errors.InvalidParameterValue):
        forget_commands(connection, timedelta(hours=23))

    assert service.kept() == {b"ada"}


def test_a_worker_forgets_only_by_the_function(database: str) -> None:
    with projector(database) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("DELETE FROM log.command")
    with projector_reading_keys(database) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT log.forget_commands(interval '72 hours', 1)")


def test_workers_do_not_wait_for_each_other(database: str, service: Service) -> None:
    service.register("ada")
    service.let_pass(THREE_DAYS)

    with projector(database) as one, projector(database) as other, one.transaction():
        assert forget_commands(one, THREE_DAYS) == 1
        assert forget_commands(other, THREE_DAYS) == 0


def test_the_work_of_a_thread_is_done_at_once_and_then_rests(database: str, service: Service) -> None:
    service.register("ada")
    service.let_pass(THREE_DAYS)
    forget = forgetting(THREE_DAYS)

    with projector(database) as connection:
        assert [forget(connection), forget(connection)] == [False, False]

    assert service.kept() == set()
