"""Checks of read models against the log: no wrong, missing or surplus row is overlooked, and none is invented."""

import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from psycopg import sql

from application.history.timeline import USER_TIMELINE
from application.projections.definition import Projection
from application.read_models import READ_MODELS
from application.recorded import Recorded
from application.users.directory import USER_DIRECTORY, UserEntry
from domain.users import User
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.columns import SCHEMA, table_name
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live, generations, live_generation
from infrastructure.projections.rebuild.comparing import compare_with_live
from infrastructure.projections.rebuild.rebuilding import rebuild
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.sampling import check_some
from infrastructure.projections.verify.verifications import note_verification
from infrastructure.projections.verify.verifying import (
    AT_ONCE,
    RowDiffersError,
    Verification,
    check_all,
    check_sample,
)
from tests.support.poison import at, failing_when, follow_all, position_of
from tests.support.read_models import head_of, rows_of
from tests.support.running import follow_to_head, projector, settings_in, worker
from tests.support.waiting import eventually

NEXT = USER_DIRECTORY.version + 1
MODELS = list(READ_MODELS.values())
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def everything(conninfo: str, model: Projection[Any]) -> Verification:
    found = Verification()
    with projector(conninfo) as connection:
        for part in check_all(connection, model, ensure_live(connection, model).generation):
            found.add(part)
    return found


def tamper(conninfo: str, model: Projection[Any], statement: str) -> None:
    """Change rows of the live generation behind the engine's back."""
    with projector(conninfo) as connection:
        table = sql.Identifier(SCHEMA, table_name(model.name, ensure_live(connection, model).generation))
        changed = connection.execute(sql.SQL(statement).format(table))
        assert changed.rowcount == 1


@every_model
def test_rows_that_are_right_are_found_right(history: str, model: Projection[Any]) -> None:
    follow_to_head(history)

    found = everything(history, model)

    with projector(history) as connection:
        tally = ModelTable(model, 1).tally
        counts = tally.load(connection) if tally else {}
        assert (found.rows, found.differing) == (len(rows_of(history, model)) + len(counts), 0)
        assert check_sample(connection, model, ModelTable(model, 1), 300).differing == 0


def test_a_wrong_value_is_found_with_its_key_and_both_values(history: str) -> None:
    follow_to_head(history)
    tamper(
        history,
        USER_DIRECTORY,
        "UPDATE {0} SET country = 'XX', name_key = 'y' WHERE user_id = (SELECT min(user_id::text)::uuid FROM {0})",
    )

    (difference,) = everything(history, USER_DIRECTORY).differences

    assert difference.columns == ["name_key", "country"]
    assert (difference.actual.country, difference.actual.name_key) == ("XX", "y")
    assert difference.expected.country in {"SE", "DE", "FR", "NO", "DK"}
    assert difference.key == difference.actual.user_id


@every_model
def test_a_missing_row_and_one_that_should_not_be_there_are_found(history: str, model: Projection[Any]) -> None:
    follow_to_head(history)
    key, surplus = ('"position"', "-5") if model.appends else ("user_id", "ffffffff-0000-7000-8000-000000000000")
    first = "DELETE FROM {0} WHERE KEY IN (SELECT KEY FROM {0} ORDER BY 1 LIMIT 1)"
    last = "UPDATE {0} SET KEY = 'SURPLUS' WHERE KEY IN (SELECT KEY FROM {0} ORDER BY 1 DESC LIMIT 1)"
    for statement in (first, last):
        tamper(history, model, statement.replace("KEY", key).replace("SURPLUS", surplus))

    rows = [found for found in everything(history, model).differences if not isinstance(found.key, tuple)]

    # The row whose key was changed is missing under its own key and surplus under the other one.
    assert [difference.columns for difference in rows] == 3 * [["presence"]]


def test_a_sample_of_everybody_finds_what_there_is(history: str) -> None:
    follow_to_head(history)
    tamper(history, USER_TIMELINE, "UPDATE {0} SET topic = 'x' WHERE position = 7")

    with projector(history) as connection:
        found = check_sample(connection, USER_TIMELINE, ModelTable(USER_TIMELINE, 1), 500)

    assert [(difference.key, difference.columns) for difference in found.differences] == [(7, ["topic"])]


def test_a_model_can_be_checked_while_it_is_followed(history: str) -> None:
    stop = threading.Event()

    def follow_slowly() -> None:
        with projector(history) as connection:
            live = ensure_live(connection, USER_DIRECTORY)
            while not stop.is_set():
                follow_batch(connection, USER_DIRECTORY, live.generation, 1)

    with projector(history) as connection:
        ensure_live(connection, USER_DIRECTORY)
    follower = threading.Thread(target=follow_slowly)
    follower.start()
    try:
        found = [everything(history, USER_DIRECTORY) for _ in range(20)]
    finally:
        stop.set()
        follower.join()

    assert [verification.differing for verification in found] == [0] * 20


def test_what_a_held_stream_lacks_is_not_taken_for_a_fault(history: str) -> None:
    with projector(history) as connection:
        follow_all(connection, failing_when(USER_DIRECTORY, at(position_of(history, "user.country_changed"))))

    assert everything(history, USER_DIRECTORY).differing == 0


def test_what_a_sample_has_found_stays_on_record_until_a_complete_check_finds_nothing(history: str) -> None:
    follow_to_head(history)

    def on_record() -> tuple[int, str | None]:
        row = connection.execute("SELECT differing, finding FROM projection.verification").fetchone()
        assert row is not None
        return row[0], row[1]

    with projector(history) as connection:
        key = rows_of(history, USER_DIRECTORY)[0][0]
        country = rows_of(history, USER_DIRECTORY)[0][7]
        connection.execute("UPDATE read_model.user_directory_1 SET country = 'XX' WHERE user_id = %s", (key,))
        check_some(connection, USER_DIRECTORY, 500)
        assert on_record() == (1, f"row {key}: country differ from the log")

        connection.execute("UPDATE read_model.user_directory_1 SET country = %s WHERE user_id = %s", (country, key))
        check_some(connection, USER_DIRECTORY, 500)
        assert on_record()[0] == 1

        note_verification(connection, USER_DIRECTORY, 1, everything(history, USER_DIRECTORY), complete=True)
        assert on_record() == (0, None)


def test_of_a_short_log_every_row_is_checked(history: str) -> None:
    """Whatever is drawn: half of a sample is meant for rows, which must not leave out streams of events."""
    follow_to_head(history)
    with projector(history) as connection:
        connection.execute("UPDATE read_model.user_directory_1 SET country = 'XX'")
        differing = connection.execute("SELECT count(*) FROM read_model.user_directory_1").fetchone()
        found = check_sample(connection, USER_DIRECTORY, ModelTable(USER_DIRECTORY, 1), AT_ONCE)

        assert head_of(history) < AT_ONCE
        assert (found.differing,) == differing


def test_a_worker_checks_samples_by_itself(history: str, home: Path) -> None:
    follow_to_head(history)
    with projector(history) as connection, worker(settings_in(home), history):
        eventually(
            lambda: connection.execute("SELECT count(*) FROM projection.verification").fetchone() == (len(MODELS),),
            "a check of each model",
        )
        assert connection.execute("SELECT sum(differing)::int FROM projection.verification").fetchone() == (0,)


def with_a_planted_bug(row: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
    """The next version of the fold, whose author forgot that people move."""
    entry = USER_DIRECTORY.fold(row, recorded)
    if entry and row and isinstance(recorded.event, User.CountryChanged):
        return replace(entry, country=row.country)
    return entry


def test_a_planted_bug_in_the_next_version_is_caught_before_the_switch(history: str) -> None:
    follow_to_head(history)
    before = rows_of(history, USER_DIRECTORY)

    with pytest.raises(
        RowDiffersError, match=rf"^user_directory row .*: country differ from version {NEXT - 1}$"
    ) as caught:
        rebuild(as_projector(history), replace(USER_DIRECTORY, version=NEXT, fold=with_a_planted_bug))

    difference = caught.value.difference
    assert difference.expected.country in {"SE", "DE", "FR"}
    assert difference.actual.country in {"NO", "DK"}
    with projector(history) as connection:
        found = [(g.state, g.version) for g in generations(connection) if g.name == USER_DIRECTORY.name]
    assert found == [("live", NEXT - 1)]
    assert rows_of(history, USER_DIRECTORY) == before


def test_a_declared_change_takes_over(history: str) -> None:
    follow_to_head(history)

    rebuild(as_projector(history), replace(USER_DIRECTORY, version=NEXT, fold=with_a_planted_bug, changes=("country",)))

    with projector(history) as connection:
        live = live_generation(connection, USER_DIRECTORY.name)
    assert live is not None
    assert live.version == NEXT


def test_other_rows_than_before_have_to_be_declared(history: str) -> None:
    def only_swedes(row: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
        entry = USER_DIRECTORY.fold(row, recorded)
        return entry if entry and entry.country == "SE" else None

    follow_to_head(history)
    swedish = replace(USER_DIRECTORY, version=NEXT, fold=only_swedes)

    with projector(history) as connection:
        with pytest.raises(RowDiffersError, match=f"presence differ from version {NEXT - 1}"):
            compare_with_live(connection, swedish)
        compare_with_live(connection, replace(swedish, changes=("presence",)))


def test_the_next_version_is_compared_as_of_where_the_present_one_stands(history: str) -> None:
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        follow_batch(connection, USER_DIRECTORY, live.generation, 50)

        compared = compare_with_live(connection, replace(USER_DIRECTORY, version=NEXT))

    assert compared.rows > 10
