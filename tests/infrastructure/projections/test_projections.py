"""Read models: what is followed, rebuilt and replayed are the same rows; none is ever silently wrong."""

import asyncio
import multiprocessing
import os
import random
import signal
import threading
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.history.queries import AuditFilter, Timeline
from application.history.timeline import USER_TIMELINE
from application.history.topics import parse_topic
from application.operations.queries import Projections
from application.ports import Service
from application.projections.definition import Projection
from application.queries import CursorInvalidError, PageRequest, PositionNotReachedError, PositionUnknownError
from application.read_models import READ_MODELS
from application.record_filters import parse_actor
from application.recorded import Recorded
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.directory import USER_DIRECTORY, UserEntry
from application.users.queries import Directory, DirectoryFilter
from application.users.register_user import register_user
from domain import errors
from domain.users import User
from domain.values import EmailAddress
from infrastructure.composition import open_service
from infrastructure.encryption.keychain import grant, granted
from infrastructure.log.reader import PoisonEventError
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.follow.following import fold_all, follow_batch
from infrastructure.projections.generations import ensure_live, generations, live_generation
from infrastructure.projections.partitions import FencedOffError
from infrastructure.projections.rebuild.parts import EVENTS_PER_PART, count_of_parts, parts, planned
from infrastructure.projections.rebuild.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.projections.rebuild.rebuilding import RebuildProgress, rebuild
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.verifying import RowDiffersError
from infrastructure.settings import Settings
from tests.support.read_models import filled, head_of, make_history, replayed_rows, rows_of
from tests.support.running import context, follow_to_head, projector, registration, settings_in, worker
from tests.support.waiting import eventually

MODELS = list(READ_MODELS.values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_following_in_batches_of_any_size_equals_a_replay(history: str, model: Projection[Any]) -> None:
    draw = random.Random(model.name)

    with projector(history) as connection:
        live = ensure_live(connection, model)
        while (
            progress := follow_batch(connection, model, live.generation, draw.randint(1, 40))
        ) and not progress.is_at_head:
            pass

    assert sorted(rows_of(history, model)) == replayed_rows(history, model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_rebuild_equals_a_replay(history: str, model: Projection[Any]) -> None:
    rebuilt = rebuild(as_projector(history), model)

    assert rebuilt.position == head_of(history)
    assert sorted(rows_of(history, model)) == replayed_rows(history, model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_parts_of_a_rebuild_come_to_the_whole(history: str, model: Projection[Any], count: int) -> None:
    generation = filled(history, model, count)

    with projector(history) as connection:
        assert len(planned(connection, model.name, generation)) == count
    assert sorted(rows_of(history, model, generation)) == replayed_rows(history, model)


def test_the_processes_of_a_rebuild_have_equally_many_parts_of_a_bounded_size() -> None:
    for upto in (1, 4_999_999, 10_000_000, 10_000_001):
        count = count_of_parts(USER_DIRECTORY, upto, processes=3)

        assert count % 3 == 0
        assert upto / count <= EVENTS_PER_PART


@pytest.mark.parametrize("count", [2, 5])
def test_the_parts_of_a_model_with_a_row_for_each_stream_have_about_equally_many_events(
    history: str, count: int
) -> None:
    with projector(history) as connection:
        pieces = parts(connection, USER_DIRECTORY, head_of(history), count)
        sizes = [
            connection.execute(
                "SELECT count(*) FROM log.event WHERE stream_id BETWEEN %s AND %s AND topic = ANY (%s)",
                (*part.streams, USER_DIRECTORY.topics),
            ).fetchall()[0][0]
            for part in pieces
        ]
        longest = connection.execute("SELECT max(version) FROM log.event").fetchall()[0][0]

    assert max(sizes) - min(sizes) <= 2 * longest
    assert sum(part.events for part in pieces) == head_of(history)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_of_an_empty_log_can_be_rebuilt(database: str, model: Projection[Any]) -> None:
    rebuilt = rebuild(as_projector(database), model)

    assert (rebuilt.position, rebuilt.rows, rows_of(database, model)) == (0, 0, [])


def test_rows_that_are_not_what_the_log_says_never_take_over(history: str) -> None:
    def forgetful(row: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
        # Not pure: what it does depends on how often it was called, as a bug in an engine's would.
        calls.append(recorded.position)
        entry = USER_DIRECTORY.fold(row, recorded)
        return entry and replace(entry, country="XX") if len(calls) <= half else entry

    calls: list[int] = []
    half = head_of(history) // 2
    follow_to_head(history)

    with pytest.raises(RowDiffersError, match=r"^user_directory row [0-9a-f-]{36}: country differ from the log$"):
        rebuild(as_projector(history), replace(USER_DIRECTORY, fold=forgetful))

    with projector(history) as connection:
        assert [g.state for g in generations(connection) if g.name == USER_DIRECTORY.name] == ["live"]


def test_a_follower_moves_on_past_events_that_do_not_concern_it(history: str) -> None:
    picky = replace(USER_DIRECTORY, name="picky", events=(User.Erased,))

    with projector(history) as connection:
        live = ensure_live(connection, picky)
        progress = follow_batch(connection, picky, live.generation, 10**6)

    assert progress is not None
    assert (progress.position, progress.events) == (head_of(history), 0)


def failing_at(model: Projection[Any], position: int) -> Projection[Any]:
    def fold(row: Any, recorded: Recorded[Any]) -> Any:
        if recorded.position >= position:
            raise KeyError("boom")
        return model.fold(row, recorded)

    return replace(model, fold=fold)


def test_an_event_that_cannot_be_folded_changes_nothing(history: str) -> None:
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        follow_batch(connection, USER_DIRECTORY, live.generation, 10)
        before = rows_of(history, USER_DIRECTORY)

        with pytest.raises(PoisonEventError, match=r"^position 1[1-9]: KeyError$"):
            follow_batch(connection, failing_at(USER_DIRECTORY, 11), live.generation, 10)

        after = live_generation(connection, USER_DIRECTORY.name)
    assert after is not None
    assert after.position == 10
    assert rows_of(history, USER_DIRECTORY) == before


def test_a_rebuild_that_fails_leaves_the_old_model_as_it_was(history: str) -> None:
    follow_to_head(history)
    before = rows_of(history, USER_DIRECTORY)

    with projector(history) as connection:
        with pytest.raises(PoisonEventError):
            rebuild(as_projector(history), failing_at(USER_DIRECTORY, 50))

        assert [g.state for g in generations(connection) if g.name == USER_DIRECTORY.name] == ["live"]
    assert rows_of(history, USER_DIRECTORY) == before


def test_a_checkpoint_that_somebody_else_moved_voids_the_batch(history: str) -> None:
    def fold(row: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
        # Somebody with the right to do so moves the checkpoint in the middle of this batch.
        return USER_DIRECTORY.fold(row, recorded)

    with projector(history) as connection, psycopg.connect(history, autocommit=True) as owner:
        live = ensure_live(connection, USER_DIRECTORY)
        # A row lock would make the owner wait; what is tested is the comparison itself.
        owner.execute(
            "CREATE FUNCTION read_model.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            'NEW."position" := NULL; RETURN NULL; END $$'
        )
        owner.execute(
            "CREATE TRIGGER meddle BEFORE UPDATE ON projection.segment "
            "FOR EACH ROW EXECUTE FUNCTION read_model.meddle()"
        )

        with pytest.raises(FencedOffError):
            follow_batch(connection, replace(USER_DIRECTORY, fold=fold), live.generation, 10)

    assert rows_of(history, USER_DIRECTORY) == []


def test_two_workers_never_fold_the_same_events(history: str) -> None:
    with projector(history) as one, projector(history) as other:
        live = ensure_live(one, USER_DIRECTORY)
        with one.transaction():
            first = follow_batch(one, USER_DIRECTORY, live.generation, 10)
            second = follow_batch(other, USER_DIRECTORY, live.generation, 10)

    assert first is not None
    assert second is None


def test_many_workers_at_once_come_to_the_same_rows(history: str) -> None:
    def follow() -> None:
        with projector(history) as connection:
            live = ensure_live(connection, USER_DIRECTORY)
            progress = None
            while progress is None or not progress.is_at_head:
                progress = follow_batch(connection, USER_DIRECTORY, live.generation, 7)

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_only_one_generation_is_kept_besides_the_live_one_and_the_one_before(history: str) -> None:
    with projector(history) as connection:
        for _ in range(4):
            rebuild(as_projector(history), USER_DIRECTORY)
        states = sorted(g.state for g in generations(connection))

    assert states == ["live", "retired", "retired"]


def run_rebuild_slowly(conninfo: str, grants: tuple[Settings, ...], reached: Any) -> None:
    """A rebuild that says when it is half-way and then stands still."""
    for settings in grants:
        grant(settings)

    def stand_still(progress: RebuildProgress) -> None:
        if progress.phase == "index":
            reached.set()
            signal.pause()

    perform_rebuild(conninfo, USER_DIRECTORY.name, stand_still)


def test_a_killed_rebuild_is_begun_again_by_the_next_worker(history: str) -> None:
    follow_to_head(history)
    spawn = multiprocessing.get_context("spawn")
    reached = spawn.Event()
    with projector(history) as connection:
        request_rebuild(connection, USER_DIRECTORY.name, "test")
    process = spawn.Process(target=run_rebuild_slowly, args=(history, granted(), reached))
    process.start()
    assert reached.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    eventually(lambda: perform_rebuild(history, USER_DIRECTORY.name) is not None, "the dead worker's lock to be free")

    with projector(history) as connection:
        states = [g.state for g in generations(connection) if g.name == USER_DIRECTORY.name]
        request = connection.execute("SELECT state FROM projection.rebuild").fetchall()
    assert (sorted(states), request) == (["live", "retired"], [("succeeded",)])
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_a_second_request_joins_the_first(history: str) -> None:
    with projector(history) as connection:
        first = request_rebuild(connection, USER_DIRECTORY.name, "one")
        second = request_rebuild(connection, USER_DIRECTORY.name, "other")

    assert first == second


@pytest.mark.long
def test_rebuilding_while_twenty_clients_read_and_write_disturbs_nobody(database: str, home: Path) -> None:
    """No request fails, no read goes back, and the rows are those of a replay."""

    async def client(service: Service, number: int, done: asyncio.Event) -> int:
        requests = 0
        seen = 0
        while not done.is_set() or requests < 10:
            saved = await service.commands.run(register_user, registration(f"client{number}.{requests}"), context())
            wanted = DirectoryFilter(email=EmailAddress(f"client{number}.{requests}@example.com"))
            page = await service.using(Directory).page(wanted, PageRequest(min_position=saved.position))
            assert [entry.user_id for entry in page.items] == [saved.aggregate_id]
            assert page.position >= max(seen, saved.position)
            seen, requests = page.position, requests + 1
        return requests

    def has_ended(request: uuid.UUID) -> bool:
        with projector(database) as connection:
            query = "SELECT FROM projection.rebuild WHERE id = %s AND finished_at IS NOT NULL"
            return connection.execute(query, (request,)).rowcount > 0

    async def rebuild_twice(service: Service, done: asyncio.Event) -> None:
        for _ in range(2):  # One of rows that were followed, and one of rows that were rebuilt.
            request = await service.using(Projections).request_rebuild(USER_DIRECTORY.name, "test")
            await asyncio.to_thread(eventually, partial(has_ended, request), "the rebuild to end")
            status = await service.using(Projections).rebuild(request)
            assert status is not None
            assert status.state == "succeeded", status.failure
        done.set()

    async def scenario() -> None:
        async with open_service(settings_in(home, REPRISE_WAIT_SECONDS="30"), database) as service:
            done = asyncio.Event()
            await make_history(service, 100)
            await asyncio.gather(rebuild_twice(service, done), *(client(service, n, done) for n in range(20)))

    with worker(settings_in(home), database):
        asyncio.run(scenario())

    follow_to_head(database)
    with projector(database) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
    assert live.generation == 3
    for model in MODELS:
        assert sorted(rows_of(database, model)) == replayed_rows(database, model)


def test_pages_go_through_everybody_once_whatever_is_written_meanwhile(database: str, home: Path) -> None:
    async def scenario() -> tuple[list[uuid.UUID], list[uuid.UUID]]:
        async with open_service(settings_in(home), database) as service:
            there = await make_history(service, 25)
            await asyncio.to_thread(follow_to_head, database)
            found: list[uuid.UUID] = []
            cursor: str | None = None
            while True:
                page = await service.using(Directory).page(DirectoryFilter(), PageRequest(limit=4, cursor=cursor))
                found += [entry.user_id for entry in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    return there, found
                user_id = random.Random(len(found)).choice(there)
                patch = ProfilePatch(display_name=f"Page {len(found)}")
                with_refusals = asyncio.gather(
                    service.commands.run(change_profile, ChangeProfile(user_id=user_id, patch=patch), context()),
                    return_exceptions=True,
                )
                closed = errors.UserIsSuspended | errors.DeletionIsPending
                assert all(isinstance(r, closed) or not isinstance(r, Exception) for r in await with_refusals)
                await asyncio.to_thread(follow_to_head, database)

    there, found = asyncio.run(scenario())

    assert sorted(there) == found


def with_service(database: str, home: Path, ask: Callable[[Service], Any], **variables: str) -> Any:
    async def scenario() -> Any:
        async with open_service(settings_in(home, **variables), database) as service:
            return await ask(service)

    return asyncio.run(scenario())


def test_a_reader_who_has_seen_more_waits_and_is_told_in_the_end(history: str, home: Path) -> None:
    follow_to_head(history)

    async def ask(service: Service) -> None:
        saved = await service.commands.run(register_user, registration("latest"), context())
        await service.using(Directory).page(DirectoryFilter(), PageRequest(min_position=saved.position))

    with pytest.raises(PositionNotReachedError):
        with_service(history, home, ask, REPRISE_WAIT_SECONDS="0.05")


@pytest.mark.parametrize("beyond", [1, 2**62])
def test_a_position_that_the_log_has_not_come_to_is_told_at_once(history: str, home: Path, beyond: int) -> None:
    follow_to_head(history)

    async def ask(service: Service) -> None:
        page = PageRequest(min_position=head_of(history) + beyond)
        async with asyncio.timeout(30):
            await service.using(Directory).page(DirectoryFilter(), page)

    with pytest.raises(PositionUnknownError):
        with_service(history, home, ask, REPRISE_WAIT_SECONDS="60")


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "\u00e9", "A" * 5000])
def test_a_cursor_that_was_not_given_out_is_refused(history: str, home: Path, cursor: str) -> None:
    follow_to_head(history)

    with pytest.raises(CursorInvalidError):
        with_service(history, home, lambda s: s.using(Directory).page(DirectoryFilter(), PageRequest(cursor=cursor)))


def test_a_cursor_is_good_for_its_own_query_only(history: str, home: Path) -> None:
    follow_to_head(history)

    async def ask(service: Service) -> None:
        page = await service.using(Directory).page(DirectoryFilter(), PageRequest(limit=1))
        assert page.next_cursor is not None
        with pytest.raises(CursorInvalidError):
            await service.using(Directory).page(DirectoryFilter(country="SE"), PageRequest(cursor=page.next_cursor))
        with pytest.raises(CursorInvalidError):
            await service.using(Timeline).search(AuditFilter(), PageRequest(cursor=page.next_cursor))

    with_service(history, home, ask)


def test_filters_find_exactly_whom_they_describe(history: str, home: Path) -> None:
    follow_to_head(history)
    everybody = [
        UserEntry(**dict(zip(UserEntry.__struct_fields__, row, strict=True)))
        for row in rows_of(history, USER_DIRECTORY)
    ]

    async def ask(service: Service) -> None:
        async def found(**wanted: Any) -> list[uuid.UUID]:
            page = await service.using(Directory).page(DirectoryFilter(**wanted), PageRequest(limit=200))
            return [entry.user_id for entry in page.items]

        def expected(condition: Callable[[UserEntry], bool]) -> list[uuid.UUID]:
            return [entry.user_id for entry in everybody if condition(entry)]

        assert await found(country="NO") == expected(lambda e: e.country == "NO") != []
        assert await found(status="suspended") == expected(lambda e: e.status == "suspended") != []
        assert await found(q="NAME") == expected(lambda e: e.display_name.startswith("Name")) != []
        assert await found(q="user1") == expected(lambda e: e.email.startswith("user1")) != []
        assert await found(email="USER7@example.com") == expected(lambda e: e.email == "user7@example.com") != []
        assert await found(email="nobody") == []
        assert await found(q="%") == []
        middle = everybody[30].created_at
        assert await found(created_after=middle) == expected(lambda e: e.created_at > middle)
        assert await found(country="NO", status="active") == expected(
            lambda e: (e.country, e.status) == ("NO", "active")
        )

    with_service(history, home, ask)


def test_the_timeline_tells_what_when_who_and_how(history: str, home: Path) -> None:
    follow_to_head(history)

    async def ask(service: Service) -> None:
        suspended = await service.using(Timeline).search(
            AuditFilter(topic=parse_topic("user.suspended")), PageRequest(limit=1)
        )
        fact = suspended.items[0]
        timeline = await service.using(Timeline).of_user(fact.user_id, PageRequest())

        assert timeline.items[0].entry.topic == "user.registered"
        assert timeline.items[-1].entry == fact
        assert timeline.items[-1].data == {"reason": "fraud"}
        assert (fact.actor, fact.client) == ("service:web", "checkout")
        for wanted in (
            AuditFilter(command_id=fact.command_id),
            AuditFilter(user_id=fact.user_id, topic=parse_topic("user.suspended")),
            AuditFilter(
                recorded_from=fact.recorded_at, topic=parse_topic("user.suspended"), actor=parse_actor("service:web")
            ),
        ):
            assert fact in (await service.using(Timeline).search(wanted, PageRequest(limit=200))).items
        before = await service.using(Timeline).search(AuditFilter(recorded_to=fact.recorded_at), PageRequest(limit=200))
        assert all(entry.recorded_at < fact.recorded_at for entry in before.items)

    with_service(history, home, ask)


def test_models_agree_with_the_tables_that_hold_them() -> None:
    for model in MODELS:
        table = ModelTable(model, 1)
        assert table.columns[0] == model.key_column
        assert fold_all(model, {}, []) == {}
    assert USER_TIMELINE.appends
    assert not USER_DIRECTORY.appends
