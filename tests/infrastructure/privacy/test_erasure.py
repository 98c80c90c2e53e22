"""An erased person is forgotten everywhere, at once, by every process, and the log stays what it was."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.history.queries import AuditFilter, Timeline
from application.policy import Policy
from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.privacy.erasures import Erasures
from application.proof.checkpoints import verified_checkpoint
from application.proof.queries import Proofs
from application.queries import PageRequest
from application.unit_of_work import Saved
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.directory import USER_DIRECTORY
from application.users.queries import Moment, Users
from application.users.register_user import register_user
from application.users.request_deletion import RequestDeletion, request_deletion
from application.users.suspend_user import SuspendUser, suspend_user
from domain.errors import UserIsErased
from domain.users import User
from domain.values import ERASED
from infrastructure.composition import open_commands, open_service
from infrastructure.encryption.eviction import Forgetting
from infrastructure.log.reader import Wanted, read_range
from infrastructure.postgres.connections import APP_ROLE, as_projector, as_sealer, in_role, reading_pool
from infrastructure.privacy import due_deletions
from infrastructure.privacy.due_deletions import DueDeletions, due_users
from infrastructure.privacy.sweeping import Sweeping
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.rebuild.rebuilding import rebuild, roll_back
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.verifying import check_sample
from infrastructure.proof.checkpointing import seal_to_head
from infrastructure.proof.leaf_reader import leaves_in
from infrastructure.proof.signing_keys import CheckpointKeyFile
from infrastructure.proof.verification import verify_log
from infrastructure.replay import Log
from tests.support.damage import damage
from tests.support.read_models import replayed_rows, rows_of
from tests.support.running import context, follow_to_head, projector, registration, settings_in, worker
from tests.support.waiting import eventually

CANARY = "Kanarie"
WHY = "Case 4711"


def run(home: Path, conninfo: str, scenario: Callable[[Service], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with open_service(settings_in(home), conninfo) as service:
            return await scenario(service)

    return asyncio.run(whole())


async def register(service: Service, name: str = CANARY) -> uuid.UUID:
    return (await service.commands.run(register_user, registration(name), context())).aggregate_id


async def erase(service: Service, user_id: uuid.UUID) -> Saved:
    plain = context()
    why = replace(plain, metadata=replace(plain.metadata, reason=WHY))
    return await service.commands.run(erase_user, EraseUser(user_id=user_id), why)


async def rename(service: Service, user_id: uuid.UUID, name: str) -> Saved:
    change = ChangeProfile(user_id=user_id, patch=ProfilePatch(display_name=name))
    return await service.commands.run(change_profile, change, context())


async def lived(service: Service) -> uuid.UUID:
    ada = await register(service)
    await rename(service, ada, f"{CANARY} the second")
    await service.commands.run(suspend_user, SuspendUser(user_id=ada, reason=f"{CANARY} cheats"), context())
    return ada


def key_of(conninfo: str, user_id: uuid.UUID) -> Any:
    with psycopg.connect(conninfo) as owner:
        return owner.execute(
            "SELECT wrapped, master_id FROM keys.subject_key WHERE subject_id = %s", (user_id,)
        ).fetchone()


def test_the_fact_the_end_of_the_key_and_the_receipt_are_one(database: str, home: Path) -> None:
    async def scenario(service: Service) -> tuple[uuid.UUID, Saved]:
        ada = await lived(service)
        return ada, await erase(service, ada)

    ada, saved = run(home, database, scenario)

    assert key_of(database, ada) == (None, None)
    with psycopg.connect(database) as owner:
        receipt = owner.execute(
            'SELECT "position", recorded_at FROM keys.erasure WHERE subject_id = %s', (ada,)
        ).fetchone()
        event = owner.execute(
            'SELECT "position", recorded_at FROM log.event WHERE topic = %s', ("user.erased",)
        ).fetchone()
    assert receipt == event
    assert event is not None
    assert saved.recorded_at == event[1]


def test_whatever_records_the_fact_destroys_the_key(database: str, home: Path) -> None:
    ada = run(home, database, register)

    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "SELECT * FROM library.append(gen_random_uuid(), 'another program', ARRAY[%s::uuid], ARRAY[2],"
            " ARRAY['user.erased'], ARRAY['{}'::bytea])",
            (ada,),
        )

    assert key_of(database, ada) == (None, None)


def test_a_command_that_loses_against_another_erases_nothing(database: str, home: Path) -> None:
    async def scenario(service: Service) -> list[Any]:
        ada = await register(service)
        changes = [rename(service, ada, f"{CANARY} {number}") for number in range(10)]
        answers = await asyncio.gather(erase(service, ada), *changes, erase(service, ada), return_exceptions=True)
        user, _ = await service.using(Users).user(ada)
        return [user, *answers]

    user, first, *changes, second = run(home, database, scenario)

    assert user.erased
    assert isinstance(first, Saved)
    assert isinstance(second, Saved)
    assert all(isinstance(answer, Saved | UserIsErased) for answer in changes)
    with psycopg.connect(database) as owner:
        assert owner.execute("SELECT count(*) FROM log.event WHERE topic = 'user.erased'").fetchone() == (1,)
        sealed = owner.execute("SELECT max(version) FROM log.event WHERE stream_id = %s", (user.id,)).fetchone()
    assert sealed == (user.version,)


def test_everything_that_can_be_asked_about_an_erased_user_says_erased(database: str, home: Path) -> None:
    async def scenario(service: Service) -> list[Any]:
        ada = await lived(service)
        await erase(service, ada)
        return [ada]

    (ada,) = run(home, database, scenario)
    follow_to_head(database)

    async def ask(service: Service) -> list[Any]:
        user, _ = await service.using(Users).user(ada)
        past = await service.using(Users).user_at(ada, Moment(version=2))
        diff = await service.using(Users).diff(ada, Moment(version=1), Moment(version=3))
        whole = await service.using(Users).diff(ada, Moment(version=0), Moment(version=4))
        timeline = await service.using(Timeline).of_user(ada, PageRequest())
        found = await service.using(Timeline).search(AuditFilter(user_id=ada), PageRequest())
        return [user, past, diff, whole, timeline, found]

    user, past, diff, whole, timeline, found = run(home, database, ask)
    assert (user.erased, user.display_name, user.email) == (True, ERASED, ERASED)
    assert (past.user.display_name, past.user.email, past.user.birth_date, past.user.country) == (*[ERASED] * 3, "SE")
    assert {change.field: change.new for change in diff.changes} == {"status": "suspended"}
    assert {change.field: change.new for change in whole.changes}["displayName"] == ERASED
    data = [item.data for item in timeline.items if item.entry.topic == "user.display_name_changed"]
    assert data == [{"displayName": ERASED}]
    assert [entry.topic for entry in found.items][-2:] == ["user.erased", "email_claim.released"]
    assert found.items[-1].reason == WHY
    assert CANARY not in repr([user, past, diff, whole, timeline, found])


def test_replay_rebuild_and_as_of_go_on(database: str, home: Path) -> None:
    async def scenario(service: Service) -> uuid.UUID:
        ada = await lived(service)
        await register(service, "bob")
        await erase(service, ada)
        return ada

    ada = run(home, database, scenario)
    rebuild(as_projector(database), USER_DIRECTORY)

    assert sorted(rows_of(database, USER_DIRECTORY)) == replayed_rows(database, USER_DIRECTORY)
    assert str(ada) not in repr(rows_of(database, USER_DIRECTORY))
    with projector(database) as connection:
        facts = read_range(connection, 0, 100, Wanted(topics=USER_DIRECTORY.topics))
    assert [fact.event.email for fact in facts if isinstance(fact.event, User.Registered)] == [
        ERASED,
        "bob@example.com",
    ]
    assert any(fact.reason == WHY for fact in facts)
    assert CANARY not in repr(facts)


def test_programs_of_one_s_own_read_what_there_is_and_erased(database: str, home: Path) -> None:
    async def scenario(service: Service) -> list[uuid.UUID]:
        people = [await lived(service), await register(service, "bob")]
        await erase(service, people[0])
        return people

    ada, bob = run(home, database, scenario)

    with projector(database) as connection:
        of_ada, of_bob = ([*Log(connection).facts(stream=who)] for who in (ada, bob))
        everything = [*Log(connection).facts(User.Registered)]
    assert [fact.event.email for fact in everything] == [ERASED, "bob@example.com"]
    assert isinstance(of_bob[0].event, User.Registered)
    assert of_bob[0].event.email == "bob@example.com"
    assert (of_ada[-1].reason, CANARY in repr(of_ada)) == (WHY, False)


def test_the_address_is_free_and_a_new_account_is_another_one(database: str, home: Path) -> None:
    async def scenario(service: Service) -> tuple[uuid.UUID, uuid.UUID]:
        old = await register(service)
        await erase(service, old)
        return old, await register(service)

    old, new = run(home, database, scenario)

    assert old != new
    assert key_of(database, new) != (None, None)


def test_an_id_never_gets_another_key(database: str, home: Path) -> None:
    async def scenario(service: Service) -> uuid.UUID:
        ada = await register(service)
        await erase(service, ada)
        return ada

    ada = run(home, database, scenario)

    with psycopg.connect(database) as owner, pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("INSERT INTO keys.subject_key (subject_id) VALUES (%s)", (ada,))


def test_every_process_reads_erased_at_once(database: str, home: Path) -> None:
    """Without waiting for anything: the other process has keys and users in memory, and has been told of nothing."""

    async def scenario(service: Service) -> list[Any]:
        ada = await register(service)
        async with open_service(settings_in(home), database) as other:
            await other.using(Users).user(ada)
            await rename(other, ada, CANARY)
            await erase(service, ada)
            user, _ = await other.using(Users).user(ada)
            past = await other.using(Users).user_at(ada, Moment(version=1))
            with pytest.raises(UserIsErased):
                await rename(other, ada, "Lazarus")
            return [user, past]

    user, past = run(home, database, scenario)

    assert (user.display_name, past.user.display_name) == (ERASED, ERASED)


def test_every_process_forgets_whom_another_has_erased(database: str, home: Path) -> None:
    async def scenario(service: Service) -> tuple[bool, bool, bool]:
        ada = await register(service)
        async with (
            open_commands(settings_in(home), database) as other,
            reading_pool(in_role(database, APP_ROLE), 1) as pool,
        ):
            await other.aggregates.find(User, ada)
            forgetting = Forgetting(pool, other.keys, other.aggregates.cache)
            await forgetting.look()
            before = other.aggregates.cache.get(User, ada) is not None
            await erase(service, ada)
            await forgetting.look()
            return before, other.aggregates.cache.get(User, ada) is None, len(other.keys) == 1

    assert run(home, database, scenario) == (True, True, True)


def test_the_log_is_what_it_was_and_its_proofs_hold(database: str, home: Path) -> None:
    keys = CheckpointKeyFile(home / "keys").keys()
    ada = run(home, database, lived)
    with psycopg.connect(as_sealer(database), autocommit=True) as sealer:
        seal_to_head(sealer, keys)
        note = sealer.execute("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1").fetchone() or ("",)
        kept = verified_checkpoint(note[0], keys.trusted)
        leaves = list(leaves_in(sealer, 0, kept.size))

    async def scenario(service: Service) -> Any:
        await erase(service, ada)
        with psycopg.connect(as_sealer(database), autocommit=True) as sealer:
            seal_to_head(sealer, keys)
            assert list(leaves_in(sealer, 0, kept.size)) == leaves
        receipt = await service.using(Erasures).receipt(ada)
        assert receipt is not None
        return receipt, await service.using(Proofs).inclusion(receipt.position)

    receipt, proof = run(home, database, scenario)

    assert (receipt.reason, receipt.actor, receipt.client) == (WHY, "service:web", "checkout")
    assert proof.position == receipt.position
    assert verify_log(as_sealer(database), keys.trusted, [kept]).findings == []


def test_a_check_of_rows_that_lag_behind_an_erasure_finds_nothing_wrong(database: str, home: Path) -> None:
    """The log says erased already, the row does not yet: it goes when the model comes to the fact."""
    ada = run(home, database, register)
    follow_to_head(database)
    run(home, database, lambda service: erase(service, ada))

    with projector(database) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        lagging = check_sample(connection, USER_DIRECTORY, ModelTable(USER_DIRECTORY, live.generation), 100)
        follow_to_head(database)
        current = check_sample(connection, USER_DIRECTORY, ModelTable(USER_DIRECTORY, live.generation), 100)

    assert (lagging.rows, lagging.differing, current.differing) == (1, 0, 0)


def erased_in_every_generation(database: str, user_id: uuid.UUID) -> bool:
    with psycopg.connect(database) as owner:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'user_directory_%'").fetchall()
        return not any(
            owner.execute(f"SELECT FROM read_model.{name} WHERE user_id = %s", (user_id,)).rowcount
            for (name,) in tables
        )


def test_rows_that_nobody_follows_any_more_forget_too(database: str, home: Path) -> None:
    ada = run(home, database, register)
    bob = run(home, database, lambda service: register(service, "bob"))
    follow_to_head(database)
    rebuild(as_projector(database), USER_DIRECTORY)
    run(home, database, lambda service: erase(service, ada))
    follow_to_head(database)
    assert not erased_in_every_generation(database, ada)

    with projector(database) as connection:
        while Sweeping(None).sweep_next(connection):
            pass

    assert erased_in_every_generation(database, ada)
    roll_back(as_projector(database), USER_DIRECTORY)
    assert [row[0] for row in rows_of(database, USER_DIRECTORY)] == [bob]


def test_nothing_is_swept_before_the_read_models_have_folded_it(database: str, home: Path) -> None:
    ada = run(home, database, register)
    follow_to_head(database)
    run(home, database, lambda service: erase(service, ada))

    with projector(database) as connection:
        assert not Sweeping(None).sweep_next(connection)
    follow_to_head(database)
    with projector(database) as connection:
        assert Sweeping(None).sweep_next(connection)
        assert not Sweeping(None).sweep_next(connection)


def test_mails_in_the_outbox_go_with_the_person(database: str, home: Path) -> None:
    settings = settings_in(home)
    with worker(settings, database):
        ada = run(home, database, register)
        run(home, database, lambda service: register(service, "bob"))
        eventually(lambda: len(list((home / "outbox").glob("*.eml"))) == 2, "both mails")
        run(home, database, lambda service: erase(service, ada))

        eventually(lambda: len(list((home / "outbox").glob("*.eml"))) == 1, "the outbox to forget")

    (left,) = (home / "outbox").glob("*.eml")
    assert "bob" in left.read_text()


def test_a_person_is_erased_when_the_grace_period_is_over(database: str, home: Path) -> None:
    at_once = replace(settings_in(home), policy=Policy(erase_after=timedelta()))

    async def ask() -> tuple[uuid.UUID, uuid.UUID]:
        async with open_service(at_once, database) as soon, open_service(settings_in(home), database) as later:
            ada, bob = await register(soon), await register(soon, "bob")
            await soon.commands.run(request_deletion, RequestDeletion(user_id=ada), context())
            await later.commands.run(request_deletion, RequestDeletion(user_id=bob), context())
            return ada, bob

    ada, bob = asyncio.run(ask())
    follow_to_head(database)

    with projector(database) as connection:
        assert due_users(connection) == [ada]
        for _ in range(3):  # whoever looks again before the model has folded it does nothing
            DueDeletions(settings_in(home), database, open_commands).erase_due(connection)
    follow_to_head(database)

    with projector(database) as connection:
        assert due_users(connection) == []
        facts = read_range(connection, 0, 100, Wanted(topics=["user.erased"]))
    assert [(fact.event.originator_id, fact.actor, fact.reason) for fact in facts] == [
        (ada, "system:worker", "The grace period is over.")
    ]
    assert key_of(database, bob) != (None, None)


def test_who_cannot_be_read_is_not_erased_when_due_and_is_in_nobody_s_way(
    database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = replace(settings_in(home), policy=Policy(erase_after=timedelta()))
    monkeypatch.setattr(due_deletions, "AT_ONCE", 1)

    async def ask() -> list[uuid.UUID]:
        async with open_service(at_once, database) as service:
            people = [await register(service), await register(service, "bob")]
            for user_id in people:
                await service.commands.run(request_deletion, RequestDeletion(user_id=user_id), context())
            return people

    ada, bob = asyncio.run(ask())
    follow_to_head(database)
    damage(database, str(ada), "an unknown topic first")

    with projector(database) as connection:
        due = DueDeletions(at_once, database, open_commands)
        while due.erase_due(connection) and key_of(database, bob) != (None, None):
            pass

    assert key_of(database, bob) == (None, None)
    assert key_of(database, ada) != (None, None)


def test_the_worker_erases_who_is_due(database: str, home: Path) -> None:
    at_once = replace(settings_in(home), policy=Policy(erase_after=timedelta()))

    async def ask() -> uuid.UUID:
        async with open_service(at_once, database) as service:
            ada = await register(service)
            await service.commands.run(request_deletion, RequestDeletion(user_id=ada), context())
            return ada

    ada = asyncio.run(ask())
    with worker(at_once, database):
        eventually(lambda: key_of(database, ada) == (None, None), "the due erasure")
