"""Commands against the real log: exactly once, in the face of lost answers, stale memory and each other."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.actors import Actor, Role
from application.commands import (
    CommandContext,
    CommandKey,
    IdempotencyKeyReusedError,
    LogUnavailableError,
    WriteConflictError,
)
from application.ports import Service
from application.unit_of_work import Saved, UnitOfWork
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.queries import Users
from application.users.register_user import register_user
from application.users.reinstate_user import ReinstateUser, reinstate_user
from application.users.suspend_user import SuspendUser, suspend_user
from domain import errors
from domain.users import User
from domain.values import Country
from infrastructure.commands.aggregates import AggregateCache, Aggregates
from infrastructure.composition import open_service
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.encryption.subject_keys import new_subject_key
from infrastructure.log.append import Commit
from infrastructure.log.commit_keys import CommitKeys
from infrastructure.log.event_codec import decode
from infrastructure.log.group_commit import GroupCommit
from infrastructure.log.stream_loader import StreamLoader
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.secrets.keyring import load_keyring
from infrastructure.users.email_tokens import MailedTokens
from tests.support.cut_line import CuttableLine
from tests.support.running import context, registration, settings_in

OpenService = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def service(database: str, home: Path) -> OpenService:
    """Opens one more process of the service, so to speak."""

    @asynccontextmanager
    async def opened(conninfo: str = database) -> AsyncIterator[Service]:
        async with open_service(settings_in(home), conninfo) as running:
            yield running

    return opened


def topics(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [topic for (topic,) in connection.execute('SELECT topic FROM log.event ORDER BY "position"')]


def key(name: str, fingerprint: str = "request") -> CommandKey:
    return CommandKey(name.encode(), fingerprint.encode())


def rename(user_id: uuid.UUID, name: str) -> ChangeProfile:
    return ChangeProfile(user_id=user_id, patch=ProfilePatch(display_name=name))


async def attempt(service: Service, name: str, ctx: CommandContext) -> Saved | Exception:
    try:
        return await service.commands.run(register_user, registration(name), ctx)
    except (errors.DomainError, IdempotencyKeyReusedError) as refusal:
        return refusal


def test_a_hundred_identical_registrations_with_one_key_make_one_user(database: str, service: OpenService) -> None:
    async def scenario() -> list[Any]:
        async with service() as one, service() as other:
            return await asyncio.gather(
                *(attempt(each, "ada", context(key("key"))) for each in (one, other) for _ in range(50))
            )

    answers = asyncio.run(scenario())

    assert len({str(answer) for answer in answers}) == 1
    assert isinstance(answers[0], Saved)
    assert topics(database) == ["user.registered", "email_claim.claimed"]


def test_one_address_in_many_spellings_finds_one_holder(database: str, service: OpenService) -> None:
    spellings = ["straße", "STRASSE", "Strasse", "sTRASSE", "stra\u00dfe"] * 10

    async def scenario() -> list[Any]:
        async with service() as one, service() as other:
            return await asyncio.gather(
                *(attempt((one, other)[n % 2], name, context()) for n, name in enumerate(spellings))
            )

    answers = asyncio.run(scenario())

    assert sorted(type(answer).__name__ for answer in answers) == ["EmailTaken"] * 49 + ["Saved"]
    assert topics(database) == ["user.registered", "email_claim.claimed"]


def test_a_process_that_knows_nothing_of_an_address_frees_it_for_others(
    database: str, service: OpenService, home: Path
) -> None:
    tokens = MailedTokens(load_keyring(settings_in(home).keys).derive("mailed tokens"))

    async def ask(service: Service, user_id: uuid.UUID, email: str) -> str:
        await service.commands.run(request_email_change, RequestEmailChange(user_id=user_id, email=email), context())
        user, _ = await service.using(Users).user(user_id)
        assert user is not None
        assert user.email_request is not None
        return tokens.issue(user_id, user.email_request)

    async def scenario() -> list[Any]:
        async with service() as one, service() as other, service() as third:
            ada = (await one.commands.run(register_user, registration("ada"), context())).aggregate_id
            await ask(one, ada, "first@example.com")
            token = await ask(other, ada, "second@example.com")
            await third.commands.run(confirm_email, ConfirmEmail(token=token), context())
            return [await attempt(one, name, context()) for name in ("first", "ada", "second")]

    first, ada, second = asyncio.run(scenario())

    assert (type(first), type(ada), type(second)) == (Saved, Saved, errors.EmailTaken)


def test_a_lost_answer_is_neither_a_conflict_nor_a_second_event(database: str, service: OpenService) -> None:
    async def scenario(line: CuttableLine) -> list[Any]:
        async with service(line.conninfo) as running:
            first = await attempt(running, "warm", context())
            line.cut_after("email_claim.claimed")
            lost = await asyncio.gather(*(attempt(running, f"user{n}", context()) for n in range(20)))
            assert line.was_cut
            line.cut_after("email_claim.claimed")
            keyed = await attempt(running, "keyed", context(key("key")))
            assert line.was_cut
            return [first, *lost, keyed]

    with CuttableLine(database) as line:
        answers = asyncio.run(scenario(line))

    assert all(isinstance(answer, Saved) for answer in answers)
    assert topics(database).count("user.registered") == len(answers) == 22
    positions = [answer.position for answer in answers]
    assert len(set(positions)) == len(positions)


def test_a_killed_backend_goes_unnoticed(database: str, service: OpenService) -> None:
    def kill() -> None:
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    async def scenario() -> list[Any]:
        async with service() as running:
            under_way = [asyncio.create_task(attempt(running, f"user{n}", context())) for n in range(300)]
            for _ in range(5):
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.to_thread(kill)
            return await asyncio.gather(*under_way)

    answers = asyncio.run(scenario())

    assert [answer for answer in answers if not isinstance(answer, Saved)] == []
    assert topics(database).count("user.registered") == 300


def test_a_stored_answer_outlives_what_happens_later(service: OpenService) -> None:
    async def scenario() -> tuple[Saved, Saved]:
        async with service() as running:
            first = await running.commands.run(register_user, registration("ada"), context(key("key")))
            await running.commands.run(change_profile, rename(first.aggregate_id, "Countess"), context())
            return first, await running.commands.run(register_user, registration("ada"), context(key("key")))

    first, again = asyncio.run(scenario())

    assert again == first


def test_a_key_cannot_be_used_for_another_request(database: str, service: OpenService) -> None:
    async def scenario() -> Any:
        async with service() as running:
            await attempt(running, "ada", context(key("key")))
            return await attempt(running, "bob", context(key("key", "another request")))

    assert isinstance(asyncio.run(scenario()), IdempotencyKeyReusedError)
    assert len(topics(database)) == 2


def test_memory_is_not_believed_when_it_refuses(service: OpenService) -> None:
    async def scenario() -> Saved:
        async with service() as here, service() as there:
            ada = (await here.commands.run(register_user, registration("ada"), context())).aggregate_id
            suspended = SuspendUser(user_id=ada, reason="fraud")
            await there.commands.run(suspend_user, suspended, context())
            with pytest.raises(errors.UserIsSuspended):
                await there.commands.run(change_profile, rename(ada, "New"), context())
            # Here nobody has heard of the suspension yet; it must be found out all the same.
            with pytest.raises(errors.UserIsSuspended):
                await here.commands.run(change_profile, rename(ada, "New"), context())
            await there.commands.run(reinstate_user, ReinstateUser(user_id=ada, reason="mistake"), context())
            # Here it is still remembered as suspended.
            return await here.commands.run(change_profile, rename(ada, "New"), context())

    assert asyncio.run(scenario()).version == 4


def test_memory_is_not_believed_when_it_says_there_is_nothing_to_do(service: OpenService) -> None:
    async def scenario() -> Saved:
        async with service() as here, service() as there:
            ada = (await here.commands.run(register_user, registration("ada"), context())).aggregate_id
            await there.commands.run(change_profile, rename(ada, "Other"), context())
            return await here.commands.run(change_profile, rename(ada, "ada"), context())

    assert asyncio.run(scenario()).version == 3


def test_of_many_who_decided_on_one_version_one_wins(database: str, service: OpenService) -> None:
    async def change(running: Service, user_id: uuid.UUID, name: str) -> Saved | Exception:
        try:
            return await running.commands.run(change_profile, rename(user_id, name), context(expected_version=1))
        except errors.VersionIsStale as refusal:
            return refusal

    async def scenario() -> list[Any]:
        async with service() as here, service() as there:
            ada = (await here.commands.run(register_user, registration("ada"), context())).aggregate_id
            return await asyncio.gather(*(change((here, there)[n % 2], ada, f"Name {n}") for n in range(20)))

    answers = asyncio.run(scenario())

    assert [type(answer).__name__ for answer in answers].count("Saved") == 1
    assert topics(database).count("user.display_name_changed") == 1


def test_commands_that_named_no_version_all_come_through(database: str, service: OpenService) -> None:
    async def scenario() -> list[Saved]:
        async with service() as here, service() as there:
            ada = (await here.commands.run(register_user, registration("ada"), context())).aggregate_id
            return await asyncio.gather(
                *(
                    (here, there)[n % 2].commands.run(change_profile, rename(ada, f"Name {n}"), context())
                    for n in range(10)
                )
            )

    answers = asyncio.run(scenario())

    assert sorted(answer.version for answer in answers) == list(range(2, 12))


@pytest.mark.parametrize("processes", [1, 2])
def test_hundreds_who_change_one_user_at_once_all_come_through(
    database: str, service: OpenService, processes: int
) -> None:
    count = 300

    async def scenario() -> list[Saved]:
        async with service() as here, service() as there:
            ada = (await here.commands.run(register_user, registration("ada"), context())).aggregate_id
            those = [here, there][:processes]
            return await asyncio.gather(
                *(
                    those[n % processes].commands.run(change_profile, rename(ada, f"Name {n}"), context())
                    for n in range(count)
                )
            )

    answers = asyncio.run(scenario())

    assert sorted(answer.version for answer in answers) == list(range(2, count + 2))
    assert topics(database).count("user.display_name_changed") == count


def test_who_always_loses_is_told_that_nothing_was_recorded_and_may_try_again(
    database: str, service: OpenService
) -> None:
    async def scenario() -> Saved:
        async with service() as here, service() as there:
            ada = (await here.commands.run(register_user, registration("ada"), context())).aggregate_id
            faster = iter(range(1_000))

            async def too_slow(command: ChangeProfile, work: UnitOfWork) -> Saved:
                user = await work.target(User, command.user_id)
                await there.commands.run(change_profile, rename(ada, f"Name {next(faster)}"), context())
                user.change_country(Country("NO"))
                return await work.save(user)

            with pytest.raises(WriteConflictError):
                await here.commands.run(too_slow, rename(ada, "Slow"), context(key("key")))
            return await here.commands.run(change_profile, rename(ada, "In time"), context(key("key")))

    saved = asyncio.run(scenario())

    recorded = topics(database)
    assert "user.country_changed" not in recorded
    assert saved.version == recorded.count("user.display_name_changed") + 1


def test_what_is_kept_in_memory_equals_its_replay(database: str, service: OpenService) -> None:
    async def scenario() -> None:
        async with service() as running, reading_pool(in_role(database, APP_ROLE), 2) as pool:
            ada = (await running.commands.run(register_user, registration("ada"), context())).aggregate_id
            await running.commands.run(change_profile, rename(ada, "Countess"), context())
            kept, _ = await running.using(Users).user(ada)
            replayed, _ = await Aggregates(StreamLoader(pool, SubjectKeys(pool, MasterKeys()))).find(User, ada)

            assert kept == replayed

    asyncio.run(scenario())


def test_a_small_memory_forgets_and_nothing_else_changes(database: str, service: OpenService) -> None:
    cache = AggregateCache(limit=2)

    async def scenario() -> list[str]:
        async with service() as running, reading_pool(in_role(database, APP_ROLE), 2) as pool:
            saved = [await running.commands.run(register_user, registration(name), context()) for name in "abcde"]
            aggregates = Aggregates(StreamLoader(pool, SubjectKeys(pool, MasterKeys())), cache)
            found = [await aggregates.find(User, each.aggregate_id) for _ in range(3) for each in saved]
        return [user.display_name for user, _ in found if user]

    names = asyncio.run(scenario())

    assert names == list("abcde") * 3
    assert len(cache) == 2


BAD = {
    "PostgreSQL has no NUL in text": {"metadata": replace(context().metadata, actor=Actor(Role.SERVICE, "\0"))},
    "there is no master key": {"keys": CommitKeys.of_one(new_subject_key(uuid.uuid4(), MasterKeys()))},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_command_that_cannot_be_stored_fails_alone(database: str, bad: dict[str, Any]) -> None:
    """Whatever slips through the rules must not take others with it."""

    async def scenario() -> list[Any]:
        async with GroupCommit(in_role(database, APP_ROLE)) as commits:
            commands = [Commit(metadata=context().metadata, events=[]) for _ in range(5)]
            commands[-1] = replace(commands[-1], **bad)
            return await asyncio.gather(*(commits.commit(c) for c in commands), return_exceptions=True)

    outcomes = asyncio.run(scenario())

    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False] * 4 + [True]


def test_a_closed_service_takes_no_more_commands(database: str) -> None:
    async def scenario() -> None:
        async with GroupCommit(in_role(database, APP_ROLE)) as commits:
            pass
        with pytest.raises(LogUnavailableError):
            await commits.commit(Commit(metadata=context().metadata, events=[]))

    asyncio.run(scenario())


def test_what_was_accepted_before_closing_is_recorded(database: str, service: OpenService) -> None:
    async def scenario() -> list[Any]:
        async with service() as running:
            under_way = [asyncio.create_task(attempt(running, f"user{n}", context())) for n in range(50)]
            await asyncio.sleep(0)
        return await asyncio.gather(*under_way, return_exceptions=True)

    answers = asyncio.run(scenario())

    assert topics(database).count("user.registered") == sum(isinstance(answer, Saved) for answer in answers)


def test_every_event_carries_who_how_and_why(database: str, service: OpenService) -> None:
    async def scenario() -> Saved:
        async with service() as running:
            return await running.commands.run(register_user, registration("ada"), context())

    saved = asyncio.run(scenario())

    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT actor, client, command_id IS NOT NULL, topic, state, stream_id, version, recorded_at "
            'FROM log.event ORDER BY "position"'
        ).fetchall()
    assert [row[:3] for row in rows] == [("service:web", "checkout", True)] * 2
    topic, state, stream_id, version, recorded_at = rows[0][3:]
    assert decode(topic, state, stream_id, version, recorded_at).timestamp == saved.recorded_at
