"""Versions of a definition: which program may fold what into which rows, and the way forth and back between them."""

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.projections.definition import Projection
from application.queries import PositionNotReachedError
from application.read_models import READ_MODELS
from application.recorded import Recorded
from application.users.directory import USER_DIRECTORY, UserEntry
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import APP_ROLE, as_projector, in_role, reading_pool
from infrastructure.projections.follow.following import OtherVersionError, follow_batch
from infrastructure.projections.generations import (
    EARLIER_FINGERPRINTS,
    DefinitionChangedError,
    Generation,
    check_definition,
    ensure_live,
    generations,
    live_generation,
)
from infrastructure.projections.rebuild import filling
from infrastructure.projections.rebuild.filling import OtherProgramError
from infrastructure.projections.rebuild.rebuild_requests import (
    open_requests,
    perform_rebuild,
    request_rebuild,
    request_upgrade,
)
from infrastructure.projections.rebuild.rebuilding import NothingToRollBackToError, RebuildProgress, rebuild, roll_back
from infrastructure.queries.read_model import Lists, ReadModel, Selection
from infrastructure.workers.duties import Duty
from tests.support.read_models import head_of, replayed_rows, rows_of
from tests.support.running import follow_to_head, projector, settings_in, worker
from tests.support.waiting import eventually

NAME = USER_DIRECTORY.name
NEXT = USER_DIRECTORY.version + 1


def other_fold(row: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
    return USER_DIRECTORY.fold(row, recorded)


SECOND = replace(USER_DIRECTORY, version=NEXT, fold=other_fold)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Projection[Any]:
    """The next version is what this program has."""
    monkeypatch.setitem(READ_MODELS, NAME, SECOND)
    return SECOND


def live_of(conninfo: str) -> Generation:
    with projector(conninfo) as connection:
        live = live_generation(connection, NAME)
    assert live is not None
    return live


def test_a_changed_fold_without_a_new_version_is_refused_at_start(
    history: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow_to_head(history)
    monkeypatch.setitem(READ_MODELS, NAME, replace(USER_DIRECTORY, fold=other_fold))

    with projector(history) as connection, pytest.raises(DefinitionChangedError, match="Give it the next version"):
        check_definition(connection, READ_MODELS[NAME])
    with projector(history) as connection:
        request_rebuild(connection, NAME, "test")
    with pytest.raises(DefinitionChangedError):
        perform_rebuild(history, NAME)
    assert perform_rebuild(history, NAME) is None


def test_a_definition_that_is_as_it_was_is_accepted(history: str) -> None:
    with projector(history) as connection:
        check_definition(connection, USER_DIRECTORY)
        ensure_live(connection, USER_DIRECTORY)
        check_definition(connection, USER_DIRECTORY)


def test_rows_from_before_there_were_fingerprints_of_folds_get_one(history: str) -> None:
    with projector(history) as connection:
        ensure_live(connection, USER_DIRECTORY)
        connection.execute("UPDATE projection.generation SET fingerprint = ''")

        check_definition(connection, USER_DIRECTORY)

    assert live_of(history).fingerprint == USER_DIRECTORY.fingerprint


@pytest.mark.parametrize(("name", "version"), EARLIER_FINGERPRINTS)
def test_rows_of_the_same_definition_under_an_earlier_name_are_accepted(history: str, name: str, version: int) -> None:
    model = READ_MODELS[name]
    assert model.version == version, "Take the entry out: it is of a version that this program does not have."
    with projector(history) as connection:
        ensure_live(connection, model)
        for earlier in EARLIER_FINGERPRINTS[name, version]:
            connection.execute("UPDATE projection.generation SET fingerprint = %s WHERE name = %s", (earlier, name))
            check_definition(connection, model)
        connection.execute("UPDATE projection.generation SET fingerprint = 'another' WHERE name = %s", (name,))
        with pytest.raises(DefinitionChangedError):
            check_definition(connection, model)


def test_another_version_s_rows_are_never_folded_into(history: str) -> None:
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)

        with pytest.raises(OtherVersionError, match=f"there in version {NEXT - 1}; this program has version {NEXT}"):
            follow_batch(connection, SECOND, live.generation)

    assert live_of(history).position == 0


def test_a_new_version_is_rebuilt_at_deployment_while_the_old_one_serves(
    history: str, home: Path, deployed: Projection[Any]
) -> None:
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        follow_batch(connection, USER_DIRECTORY, live.generation, 50)
        request_upgrade(connection, deployed)
        request_upgrade(connection, deployed)
        assert open_requests(connection) == [NAME]
    old = rows_of(history, USER_DIRECTORY)

    assert live_of(history).position == 50
    assert rows_of(history, USER_DIRECTORY) == old
    perform_rebuild(history, NAME)

    live = live_of(history)
    assert (live.version, live.position) == (NEXT, head_of(history))
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, SECOND)


def begun_and_killed(conninfo: str, **changes: Any) -> None:
    """A rebuild that was begun by a program with another definition, and is not done."""
    with projector(conninfo) as connection:
        ensure_live(connection, USER_DIRECTORY)
        request_rebuild(connection, NAME, "test")
        values = {"version": USER_DIRECTORY.version, "fingerprint": "another", **changes}
        connection.execute(
            "UPDATE projection.rebuild SET state = 'running', version = %(version)s, fingerprint = %(fingerprint)s",
            values,
        )


def requests_in(conninfo: str) -> list[tuple[Any, ...]]:
    with projector(conninfo) as connection:
        return connection.execute(
            "SELECT state, version, requested_by, failure FROM projection.rebuild ORDER BY requested_at"
        ).fetchall()


CHANGED = f"the definition has changed since it was begun with version {NEXT - 1}"


def test_a_rebuild_that_was_begun_with_an_older_version_is_given_up_for_one_of_the_new_version(
    history: str, deployed: Projection[Any]
) -> None:
    begun_and_killed(history)

    assert perform_rebuild(history, NAME) is not None

    assert requests_in(history) == [
        ("failed", NEXT - 1, "test", CHANGED),
        ("succeeded", NEXT, "system:deploy", None),
    ]
    assert live_of(history).version == NEXT
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, SECOND)


def test_a_rebuild_that_was_begun_with_another_definition_of_the_version_is_given_up(history: str) -> None:
    begun_and_killed(history)

    assert perform_rebuild(history, NAME) is None

    assert requests_in(history) == [("failed", NEXT - 1, "test", CHANGED)]
    assert live_of(history).generation == 1


def test_a_worker_gives_up_what_no_program_can_carry_out_and_tries_it_no_more(history: str, home: Path) -> None:
    with projector(history) as connection, worker(settings_in(home), history, [Duty.READ_MODELS]):
        eventually(lambda: live_generation(connection, NAME), "the worker to be at work")
        # As if the program on disk were another one by now than that which has made the rows, under the same version.
        connection.execute("UPDATE projection.generation SET fingerprint = 'another' WHERE name = %s", (NAME,))
        request_rebuild(connection, NAME, "test")

        eventually(lambda: requests_in(history)[0][0] == "failed", "the rebuild to be given up")
        assert open_requests(connection) == []

    reason = f"the definition has changed, but not its version, {NEXT - 1}"
    assert requests_in(history) == [("failed", None, "test", reason)]


def test_a_rebuild_that_a_newer_program_has_begun_is_left_to_it(history: str) -> None:
    begun_and_killed(history, version=NEXT)

    with projector(history) as connection:
        assert open_requests(connection) == []

    assert perform_rebuild(history, NAME) is None
    assert requests_in(history) == [("running", NEXT, "test", None)]


@pytest.mark.parametrize("version", [NEXT - 2, NEXT - 1, NEXT])
async def test_whoever_asks_a_program_for_a_rebuild_gets_one_with_its_definition(history: str, version: int) -> None:
    begun_and_killed(history, version=version)
    with projector(history) as connection:
        request_rebuild(connection, NAME, "admin:ann")

    assert perform_rebuild(history, NAME) is not None

    given_up = f"the definition has changed since it was begun with version {version}"
    assert requests_in(history) == [("failed", version, "test", given_up), ("succeeded", NEXT - 1, "admin:ann", None)]
    assert await failure_told(history) is None


def test_a_rebuild_that_a_newer_program_is_at_is_joined(history: str) -> None:
    begun_and_killed(history, version=NEXT)
    with projector(history) as newer, projector(history) as connection:
        newer.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"rebuild {NAME}",))

        request_rebuild(connection, NAME, "admin:ann")

    assert requests_in(history) == [("running", NEXT, "test", None)]


def test_nobody_else_is_started_for_a_rebuild_that_somebody_is_at(history: str) -> None:
    looked: list[list[str]] = []
    with projector(history) as connection:
        request_rebuild(connection, NAME, "test")
        assert open_requests(connection) == [NAME]

        perform_rebuild(history, NAME, lambda _: looked.append(open_requests(connection)))

    assert looked
    assert all(found == [] for found in looked)


def test_parts_are_not_filled_with_another_definition_than_the_one_that_has_begun(
    history: str, deployed: Projection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes that fill them take the definition from the program on disk, which is not this one."""
    monkeypatch.setattr(filling, "PARALLEL_FROM", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with projector(history) as connection:
        ensure_live(connection, USER_DIRECTORY)
        request_upgrade(connection, deployed)

    with pytest.raises(OtherProgramError):
        perform_rebuild(history, NAME)

    ((state, _, _, failure),) = requests_in(history)
    assert (state, failure) == ("failed", "OtherProgramError: the program on disk has another definition by now")


def test_a_program_that_is_behind_does_not_bring_its_version_back(history: str) -> None:
    follow_to_head(history)
    rebuild(as_projector(history), SECOND)

    with projector(history) as connection:
        request_rebuild(connection, NAME, "test")

    assert perform_rebuild(history, NAME) is None
    assert live_of(history).version == NEXT


def test_an_upgrade_that_has_failed_is_not_begun_again_by_itself(history: str, deployed: Projection[Any]) -> None:
    with projector(history) as connection:
        ensure_live(connection, USER_DIRECTORY)
        request_upgrade(connection, deployed)
        connection.execute("UPDATE projection.rebuild SET state = 'failed', fingerprint = %s", (deployed.fingerprint,))

        request_upgrade(connection, deployed)

        assert open_requests(connection) == []


async def failure_told(conninfo: str) -> str | None:
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        return next(status.failure for status in await ProjectionQueries(pool).statuses() if status.name == NAME)


async def test_an_upgrade_that_has_failed_is_told_until_another_one_is_under_way(
    history: str, deployed: Projection[Any]
) -> None:
    with projector(history) as connection:
        ensure_live(connection, USER_DIRECTORY)
        request_upgrade(connection, deployed)
        connection.execute("UPDATE projection.rebuild SET state = 'failed', failure = 'too bad'")
        told = [await failure_told(history)]

        request_rebuild(connection, NAME, "test")
        connection.execute("UPDATE projection.rebuild SET version = %s WHERE state = 'requested'", (NEXT,))
        told.append(await failure_told(history))

    assert told == [f"the rebuild to version {NEXT} failed: too bad", None]


def test_a_worker_of_the_old_program_leaves_the_new_rows_alone(history: str, home: Path) -> None:
    follow_to_head(history)
    rebuild(as_projector(history), SECOND)
    with projector(history) as connection:
        # Somewhere behind the head, so that there would be something to do.
        connection.execute(
            'UPDATE projection.segment s SET "position" = 5 FROM projection.generation g '
            "WHERE g.name = %s AND g.version = %s AND (s.name, s.generation) = (g.name, g.generation)",
            (NAME, NEXT),
        )

        others = len(READ_MODELS) - 1
        with worker(settings_in(home), history):
            eventually(
                lambda: connection.execute("SELECT count(*) FROM projection.verification").fetchone() == (others,),
                "the worker to have looked at all others",
            )

    assert live_of(history).position == 5


def test_rolling_back_catches_up_first_and_can_be_undone(history: str) -> None:
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        follow_batch(connection, USER_DIRECTORY, live.generation, 50)
    rebuild(as_projector(history), USER_DIRECTORY)
    assert live_of(history).generation == 2

    before_the_switch: list[int] = []

    def look(progress: RebuildProgress) -> None:
        if progress.phase == "verify":
            with projector(history) as connection:
                before_the_switch.extend(g.position for g in generations(connection) if g.generation == 1)

    back = roll_back(as_projector(history), USER_DIRECTORY, look)

    assert before_the_switch == [head_of(history)]
    assert (back.generation, back.position) == (1, head_of(history))
    assert sorted(rows_of(history, USER_DIRECTORY, 1)) == replayed_rows(history, USER_DIRECTORY)
    assert (live_of(history).generation, live_of(history).position) == (1, head_of(history))
    assert roll_back(as_projector(history), USER_DIRECTORY).generation == 2


def test_the_old_program_can_roll_its_version_back_and_the_new_one_does_not_undo_that(history: str) -> None:
    follow_to_head(history)
    rebuild(as_projector(history), SECOND)
    with projector(history) as connection:
        request_rebuild(connection, NAME, "test", is_rollback=True)

        assert perform_rebuild(history, NAME) is not None

        assert live_of(history).version == NEXT - 1
        request_upgrade(connection, SECOND)
        assert open_requests(connection) == []


def test_where_there_is_nothing_before_nothing_is_rolled_back(history: str) -> None:
    follow_to_head(history)

    with pytest.raises(NothingToRollBackToError):
        roll_back(as_projector(history), USER_DIRECTORY)

    assert live_of(history).generation == 1


def test_rows_that_are_wrong_are_not_rolled_back_to(history: str) -> None:
    follow_to_head(history)
    rebuild(as_projector(history), USER_DIRECTORY)
    with projector(history) as connection:
        connection.execute("UPDATE read_model.user_directory_1 SET country = 'XX'")

    with pytest.raises(Exception, match="country differ from the log"):
        roll_back(as_projector(history), USER_DIRECTORY)

    assert live_of(history).generation == 2
    with projector(history) as connection:
        assert [g.state for g in generations(connection) if g.name == NAME] == ["live", "retired"]


class WithNickname(UserEntry, frozen=True, kw_only=True):
    nickname: str | None = None


class WithRank(UserEntry, frozen=True, kw_only=True):
    standing: int


async def names_in(conninfo: str, row: type[msgspec.Struct], wait_seconds: float = 5.0) -> list[Any]:
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        model = ReadModel(Lists(pool, wait_seconds), replace(USER_DIRECTORY, row=row), row)
        found = await model.select(Selection(sql.SQL("WHERE true ORDER BY m.user_id"), {}))
        return [entry for entry, _ in found.rows]


async def test_the_next_program_reads_the_old_rows_with_defaults_for_what_they_lack(history: str) -> None:
    follow_to_head(history)

    entries = await names_in(history, WithNickname)

    assert len(entries) == 60
    assert {entry.nickname for entry in entries} == {None}


async def test_a_column_without_a_default_makes_queries_wait_for_the_new_rows(history: str) -> None:
    follow_to_head(history)

    with pytest.raises(PositionNotReachedError):
        await names_in(history, WithRank, wait_seconds=0.05)


def with_nickname(row: WithNickname | None, recorded: Recorded[Any]) -> WithNickname | None:
    entry = USER_DIRECTORY.fold(row, recorded)
    return None if entry is None else WithNickname(**msgspec.structs.asdict(entry) | {"nickname": "Ada"})


async def test_a_condition_on_a_column_that_the_old_rows_lack_is_met_once_the_new_rows_are_there(
    history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, whoever was asked during the upgrade went on waiting for rows of the old version for ever after."""
    follow_to_head(history)
    following = replace(USER_DIRECTORY, version=NEXT, row=WithNickname, fold=with_nickname)
    by_nickname = Selection(sql.SQL("WHERE m.nickname = 'Ada' ORDER BY m.user_id"), {})

    async with reading_pool(in_role(history, APP_ROLE), 1) as pool:
        lists = Lists(pool, 0.05)
        model = ReadModel(lists, following, WithNickname)
        with pytest.raises(PositionNotReachedError):
            await model.select(by_nickname)
        monkeypatch.setitem(READ_MODELS, NAME, following)
        with projector(history) as connection:
            request_upgrade(connection, following)
        await asyncio.to_thread(perform_rebuild, history, NAME)
        lists.wait_seconds = 30.0

        assert len((await model.select(by_nickname)).rows) == 60
