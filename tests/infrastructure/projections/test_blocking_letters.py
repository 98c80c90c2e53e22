"""Events that rows were made of, and that can no longer be read: no rebuild fails on one without offering it."""

import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.history.timeline import USER_TIMELINE
from application.users.directory import USER_DIRECTORY
from infrastructure.log.reader import Connection, PoisonEventError
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.projections.follow.following import OtherVersionError
from infrastructure.projections.follow.held_streams import settle
from infrastructure.projections.generations import live_generation
from infrastructure.projections.rebuild.rebuilding import rebuild
from infrastructure.projections.verify.sampling import check_some
from infrastructure.projections.verify.verifying import check_all
from tests.support.damage import damage
from tests.support.poison import follow_all, letters_in, position_of, stream_at
from tests.support.read_models import rows_of
from tests.support.running import follow_to_head, projector, settings_in, worker
from tests.support.waiting import eventually

DAMAGED_WHEN_FOLDED = ["a garbled key", "a missing key", "a payload of garbage", "a garbled clear part"]


@pytest.fixture
def folded(history: str) -> str:
    """A log that every read model has folded."""
    follow_to_head(history)
    return history


def somebody_with_three_events(conninfo: str) -> uuid.UUID:
    return stream_at(conninfo, position_of(conninfo, "user.country_changed"))


def build(conninfo: str, model: Any = USER_DIRECTORY) -> None:
    rebuild(as_projector(embedded_as(Login.WORKER, conninfo)), model)


def unfoldable(connection: Connection) -> dict[str, Any]:
    (letter,) = [letter for letter in letters_in(connection) if letter["state"] == "blocking"]
    return letter


@pytest.mark.parametrize("what", DAMAGED_WHEN_FOLDED)
def test_a_failed_rebuild_offers_the_event_that_it_failed_at(folded: str, what: str) -> None:
    user_id = somebody_with_three_events(folded)
    rows = rows_of(folded, USER_DIRECTORY)
    damage(folded, str(user_id), what)

    with pytest.raises(PoisonEventError):
        build(folded)
    with pytest.raises(PoisonEventError) as failed:
        build(folded)

    with projector(folded) as connection:
        letter = unfoldable(connection)
        assert (letter["position"], letter["stream_id"]) == (failed.value.position, user_id)
        assert rows_of(folded, USER_DIRECTORY) == rows
        follow_all(connection, USER_DIRECTORY)
        assert [each["state"] for each in letters_in(connection)] == ["blocking"]


def test_what_is_resolved_is_not_in_the_way_of_the_next_rebuild(folded: str) -> None:
    user_id = somebody_with_three_events(folded)
    damage(folded, str(user_id), "a payload of garbage")
    with pytest.raises(PoisonEventError):
        build(folded)

    with projector(folded) as connection:
        settle(connection, USER_DIRECTORY, unfoldable(connection)["id"], "resolve", "admin:ann", "Lost on a disk")
        assert [letter["state"] for letter in letters_in(connection)] == ["resolved"]
    build(folded)

    assert user_id not in {row[0] for row in rows_of(folded, USER_DIRECTORY)}


def test_it_is_retried_once_the_cause_is_gone(folded: str) -> None:
    user_id = somebody_with_three_events(folded)
    rows = rows_of(folded, USER_DIRECTORY)
    with psycopg.connect(folded, autocommit=True) as owner:
        key = owner.execute("SELECT wrapped FROM keys.subject_key WHERE subject_id = %s", (user_id,)).fetchone()
        damage(folded, str(user_id), "a garbled key")
        with pytest.raises(PoisonEventError):
            build(folded)
        with projector(folded) as connection, pytest.raises(PoisonEventError):
            settle(connection, USER_DIRECTORY, unfoldable(connection)["id"], "retry", "admin:ann")
        assert key
        owner.execute("UPDATE keys.subject_key SET wrapped = %s WHERE subject_id = %s", (key[0], user_id))

    with projector(folded) as connection:
        settle(connection, USER_DIRECTORY, unfoldable(connection)["id"], "retry", "admin:ann")
        assert {letter["state"] for letter in letters_in(connection)} == {"retried"}
    build(folded)

    assert rows_of(folded, USER_DIRECTORY) == rows


def test_a_check_of_the_live_rows_offers_it_too_and_goes_on_with_all_others(folded: str) -> None:
    user_id = somebody_with_three_events(folded)
    damage(folded, str(user_id), "a garbled key")

    with projector(folded) as connection:
        check_some(connection, USER_DIRECTORY, sample=10_000)
        letter = unfoldable(connection)
        live = live_generation(connection, USER_DIRECTORY.name)
        assert live is not None
        parts = list(check_all(connection, USER_DIRECTORY, live.generation))

    assert letter["stream_id"] == user_id
    assert sum(part.rows for part in parts) == len(rows_of(folded, USER_DIRECTORY)) - 1
    assert sum(part.differing for part in parts) == 0
    assert [poison.position for part in parts for poison in part.unreadable] == [letter["position"]]


def test_an_upgrade_that_cannot_get_past_an_event_can_do_without_it(folded: str) -> None:
    user_id = somebody_with_three_events(folded)
    following = replace(USER_DIRECTORY, version=USER_DIRECTORY.version + 1, changes=("presence",))
    damage(folded, str(user_id), "a payload of garbage")
    with pytest.raises(PoisonEventError):
        build(folded, following)

    with projector(folded) as connection:
        letter = unfoldable(connection)["id"]
        with pytest.raises(OtherVersionError):
            settle(connection, following, letter, "retry", "admin:ann")
        settle(connection, following, letter, "resolve", "admin:ann", "Lost on a disk")
        left = [each["state"] for each in letters_in(connection)]

    build(folded, following)

    assert left == ["resolved"]
    assert user_id not in {row[0] for row in rows_of(folded, USER_DIRECTORY)}


def test_a_worker_settles_it_on_request(folded: str, home: Path) -> None:
    damage(folded, str(somebody_with_three_events(folded)), "a garbled key")
    with pytest.raises(PoisonEventError):
        build(folded)
    with projector(folded) as connection, worker(settings_in(home), folded):
        wish = "UPDATE projection.letter SET wish = 'resolve', wished_by = 'admin:ann', wish_reason = 'Lost'"
        connection.execute(wish)
        eventually(lambda: letters_in(connection)[0]["state"] == "resolved", "the letter to be resolved")


@pytest.mark.parametrize("what", ["an unknown topic in between", *DAMAGED_WHEN_FOLDED])
def test_the_timeline_has_a_row_for_what_cannot_be_read(history: str, what: str) -> None:
    user_id = somebody_with_three_events(history)
    damage(history, str(user_id), what)
    with psycopg.connect(history) as owner:
        events = owner.execute('SELECT "position", version, topic FROM log.event WHERE stream_id = %s', (user_id,))
        recorded = set(events.fetchall())

    with projector(history) as connection:
        follow_all(connection, USER_TIMELINE)
        assert letters_in(connection) == []
    build(history, USER_TIMELINE)

    names = USER_TIMELINE.row.__struct_fields__
    told = [dict(zip(names, row, strict=True)) for row in rows_of(history, USER_TIMELINE)]
    assert {(r["position"], r["version"], r["topic"]) for r in told if r["user_id"] == user_id} >= recorded
