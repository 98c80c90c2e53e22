"""What the log holds of people can be read with their keys only, and their keys with the key-encryption key only."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.commands import CommandKey
from application.history.queries import AuditFilter, Timeline
from application.history.timeline import USER_TIMELINE
from application.ports import Service
from application.queries import PageRequest
from application.unreadable import HistoryUnreadableError
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.directory import USER_DIRECTORY
from application.users.queries import Moment, Users
from application.users.register_user import register_user
from application.users.suspend_user import SuspendUser, suspend_user
from domain.errors import DomainError
from infrastructure.composition import open_service
from infrastructure.encryption import keychain, master_keys
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.key_encryption import KeyUnusableError
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.log.reader import PoisonEventError, Wanted, read_range
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live
from tests.support.running import context, follow_to_head, projector, registration, settings_in

CANARY = "Kanarie"


def run(home: Path, conninfo: str, scenario: Callable[[Service], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with open_service(settings_in(home), conninfo) as service:
            return await scenario(service)

    return asyncio.run(whole())


async def registered(service: Service, name: str = CANARY) -> uuid.UUID:
    return (await service.commands.run(register_user, registration(name), context())).aggregate_id


async def look_up(user_id: uuid.UUID, service: Service) -> Any:
    return await service.using(Users).user(user_id)


def texts_in(conninfo: str, schema: str) -> str:
    """Every row of every table of a schema, as text."""
    with psycopg.connect(conninfo) as owner:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
        owner.execute("SET bytea_output = escape")
        found = [
            owner.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, t))) for (t,) in tables
        ]
        return repr([rows.fetchall() for rows in found])


def test_the_log_holds_nothing_personal_in_clear(database: str, home: Path) -> None:
    async def live(service: Service) -> None:
        ada = await registered(service)
        patch = ProfilePatch(display_name=f"{CANARY} two")
        why = replace(context(), metadata=replace(context().metadata, reason=f"{CANARY} asked"))
        await service.commands.run(change_profile, ChangeProfile(user_id=ada, patch=patch), why)
        await service.commands.run(suspend_user, SuspendUser(user_id=ada, reason=f"{CANARY} cheats"), context())

    run(home, database, live)

    for schema in ("log", "keys"):
        assert CANARY.lower() not in texts_in(database, schema).lower()


def test_who_has_the_keys_reads_everything(database: str, home: Path) -> None:
    ada = run(home, database, registered)
    follow_to_head(database)

    async def read(service: Service) -> list[str]:
        user, _ = await service.using(Users).user(ada)
        past = await service.using(Users).user_at(ada, Moment(version=1))
        timeline = await service.using(Timeline).of_user(ada, PageRequest())
        assert user is not None
        assert past is not None
        assert timeline.items[0].data is not None
        return [user.display_name, past.user.display_name, timeline.items[0].data["displayName"]]

    assert run(home, database, read) == [CANARY] * 3


def test_a_new_person_s_key_is_stored_with_their_first_event_and_a_lost_race_leaves_none(
    database: str, home: Path
) -> None:
    async def race(service: Service) -> list[Any]:
        keys = [CommandKey(b"k" * 32, b"f" * 32), None, None]
        tries = [service.commands.run(register_user, registration("ada"), context(key=key)) for key in keys * 10]
        return await asyncio.gather(*tries, return_exceptions=True)

    answers = run(home, database, race)

    refused = [answer for answer in answers if isinstance(answer, DomainError)]
    with psycopg.connect(database) as owner:
        people = owner.execute("SELECT stream_id FROM log.event WHERE topic = 'user.registered'").fetchall()
        keys = owner.execute("SELECT subject_id FROM keys.subject_key WHERE subject_id <> %s", (uuid.UUID(int=0),))
        assert len(people) == 1
        assert keys.fetchall() == people
    assert len(refused) >= 19


def test_a_person_from_before_sealing_gets_a_key_with_the_next_change(database: str, home: Path) -> None:
    ada = uuid.uuid4()
    state = b'{"email":"ada@example.com","display_name":"Ada","country":"SE"}'
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "SELECT log.append(ARRAY[gen_random_uuid()], ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY[''::bytea],"
            " ARRAY[NULL::uuid], ARRAY[NULL::uuid], ARRAY[NULL::bytea], ARRAY['admin:ann'], ARRAY[NULL::text],"
            " ARRAY[NULL::text], ARRAY['Old reason'], ARRAY[1], ARRAY[%s::uuid], ARRAY[1],"
            " ARRAY['user.registered'], ARRAY[%s::bytea])",
            (ada, state),
        )
    follow_to_head(database)

    async def change(service: Service) -> tuple[str, str | None]:
        patch = ProfilePatch(display_name=CANARY)
        await service.commands.run(change_profile, ChangeProfile(user_id=ada, patch=patch), context())
        user, _ = await service.using(Users).user(ada)
        assert user is not None
        found = await service.using(Timeline).search(AuditFilter(user_id=ada), PageRequest())
        return user.display_name, found.items[0].reason

    assert run(home, database, change) == (CANARY, "Old reason")
    assert CANARY not in texts_in(database, "log")


def test_two_sealed_values_that_changed_places_are_noticed(database: str, home: Path) -> None:
    async def live(service: Service) -> list[uuid.UUID]:
        return [await registered(service, name) for name in ("ada", "bob")]

    ada, bob = run(home, database, live)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")  # whoever owns the server can switch triggers off
        owner.execute(
            "UPDATE log.event e SET state = other.state FROM log.event other WHERE e.version = 1 AND other.version = 1 "
            "AND (e.stream_id, other.stream_id) IN ((%s, %s), (%s, %s))",
            (ada, bob, bob, ada),
        )

    for person in (ada, bob):
        with pytest.raises(HistoryUnreadableError, match="UndecodableEventError"):
            run(home, database, partial(look_up, person))
    with projector(database) as connection, pytest.raises(PoisonEventError):
        read_range(connection, 0, 10, Wanted(topics=["user.registered"]))


def test_two_keys_that_changed_places_open_nothing(database: str, home: Path) -> None:
    async def live(service: Service) -> list[uuid.UUID]:
        return [await registered(service, name) for name in ("ada", "bob")]

    ada, bob = run(home, database, live)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "UPDATE keys.subject_key k SET wrapped = other.wrapped FROM keys.subject_key other "
            "WHERE (k.subject_id, other.subject_id) IN ((%s, %s), (%s, %s))",
            (ada, bob, bob, ada),
        )

    for person in (ada, bob):
        with pytest.raises(HistoryUnreadableError, match="UndecodableEventError"):
            run(home, database, partial(look_up, person))


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as one that was never given a key: a thief with a dump of the database."""
    monkeypatch.setattr(keychain, "_granted", [])
    monkeypatch.setattr(keychain, "_held", {})
    monkeypatch.setattr(master_keys, "_ciphers", {})


def test_a_dump_without_the_key_encryption_key_yields_nothing(
    database: str, home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ada = run(home, database, registered)
    request.getfixturevalue("stranger")

    with pytest.raises(
        KeyUnusableError, match=r"wrapped with the key-encryption key local:.*; this process has local:"
    ):
        run(tmp_path / "elsewhere", database, lambda service: service.using(Users).user(ada))
    with projector(database) as connection:
        with pytest.raises(KeyUnusableError):
            read_range(connection, 0, 10, Wanted(topics=["user.registered"]))
        with pytest.raises(KeyUnusableError):
            follow_batch(connection, USER_DIRECTORY, ensure_live(connection, USER_DIRECTORY).generation)
    assert CANARY not in texts_in(database, "read_model")


def test_a_replay_that_needs_nothing_personal_needs_no_key(
    database: str, home: Path, request: pytest.FixtureRequest
) -> None:
    ada = run(home, database, registered)
    request.getfixturevalue("stranger")
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("REVOKE SELECT ON keys.subject_key FROM reprise_projector")

    with projector(database) as connection:
        progress = follow_batch(connection, USER_TIMELINE, ensure_live(connection, USER_TIMELINE).generation)

    assert progress is not None
    assert progress.is_at_head
    assert str(ada) in texts_in(database, "read_model")


def test_a_process_that_knows_no_master_key_yet_looks_them_up(
    database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = run(home, database, registered)
    monkeypatch.setattr(master_keys, "_ciphers", {})

    async def look() -> Any:
        async with reading_pool(in_role(database, APP_ROLE), 1) as pool:
            return await SubjectKeys(pool, MasterKeys()).ciphers([ada])

    assert asyncio.run(look())[ada] is not None


def test_keys_in_memory_are_bounded_and_expire(database: str, home: Path) -> None:
    async def live(service: Service) -> list[uuid.UUID]:
        return [await registered(service, f"user{number}") for number in range(5)]

    people = run(home, database, live)

    async def look(seconds: float) -> tuple[int, int]:
        async with reading_pool(in_role(database, APP_ROLE), 1) as pool:
            keys = SubjectKeys(pool, MasterKeys(), limit=3, seconds=seconds)
            await keys.ciphers(people)
            before = len(keys)
            keys.forget_old()
            return before, len(keys)

    assert asyncio.run(look(seconds=60)) == (3, 3)
    assert asyncio.run(look(seconds=0)) == (3, 0)
