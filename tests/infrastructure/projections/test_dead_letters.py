"""Poison events: each holds its own stream and nothing else, loudly, until somebody settles it."""

import os
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from application.recorded import Recorded
from application.users.directory import USER_DIRECTORY
from infrastructure.log.reader import PoisonEventError
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.follow import dead_letters as letters_module
from infrastructure.projections.follow.dead_letters import TooManyLettersError
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.follow.held_streams import LetterNotOpenError, follow_past_poison, hold, settle
from infrastructure.projections.generations import ensure_live, generations, live_generation
from infrastructure.projections.rebuild import filling
from infrastructure.projections.rebuild.rebuilding import RebuildProgress, rebuild
from tests.support.multitude import Multitude
from tests.support.poison import (
    append_poison,
    at,
    failing_when,
    follow_all,
    letters_in,
    position_for,
    position_of,
    stream_at,
)
from tests.support.read_models import head_of, people_whose_rows_differ, replayed_rows, rows_of
from tests.support.running import follow_to_head, projector, settings_in, worker
from tests.support.waiting import eventually

MODELS = list(READ_MODELS.values())


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_a_poison_event_holds_its_stream_and_all_others_stay_current(history: str, limit: int) -> None:
    poison = position_of(history, "user.country_changed")
    held = stream_at(history, poison)

    with projector(history) as connection:
        follow_all(connection, failing_when(USER_DIRECTORY, at(poison)), limit)
        live = live_generation(connection, USER_DIRECTORY.name)
        (letter,) = letters_in(connection)

    assert live is not None
    assert live.position == head_of(history)
    rows = {row[0]: row for row in rows_of(history, USER_DIRECTORY)}
    right = {row[0]: row for row in replayed_rows(history, USER_DIRECTORY)}
    assert {key for key in right if rows[key] != right[key]} == {held}
    assert rows.keys() == right.keys()
    assert (letter["position"], letter["stream_id"], letter["state"]) == (poison, held, "open")
    assert (letter["topic"], letter["error"]) == ("user.country_changed", "KeyError")


@pytest.mark.parametrize("limit", [2, 1000])
def test_several_poison_events_in_one_batch_each_hold_their_own_stream(database: str, limit: int) -> None:
    people = Multitude(database, 30)
    first, second = people.move("NO"), people.move("DK")
    poison = {first + number: people.streams[number] for number in (3, 4, 20)}

    with projector(database) as connection:
        follow_all(connection, failing_when(USER_DIRECTORY, at(*poison, second + 3)), limit)
        letters = letters_in(connection)
        assert {letter["position"]: letter["stream_id"] for letter in letters} == poison
        assert people_whose_rows_differ(database, USER_DIRECTORY) == set(poison.values())

        for letter in reversed(letters):
            settle(connection, USER_DIRECTORY, letter["id"], "retry", "admin:ann")

    assert sorted(rows_of(database, USER_DIRECTORY)) == replayed_rows(database, USER_DIRECTORY)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_after_the_fix_and_a_retry_everything_equals_a_replay(history: str, model: Projection[Any]) -> None:
    poison = position_for(history, model)
    with projector(history) as connection:
        follow_all(connection, failing_when(model, at(poison)))
        (letter,) = letters_in(connection)
        assert sorted(rows_of(history, model)) != replayed_rows(history, model)

        settle(connection, model, letter["id"], "retry", "admin:ann")

        (letter,) = letters_in(connection)
    assert (letter["state"], letter["closed_by"]) == ("retried", "admin:ann")
    assert sorted(rows_of(history, model)) == replayed_rows(history, model)


def test_a_stream_goes_on_after_a_retry(history: str, home: Path) -> None:
    poison = position_of(history, "user.country_changed")
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)
        broken = failing_when(USER_DIRECTORY, at(poison))
        follow_past_poison(connection, broken, live.generation, poison + 1)
        (letter,) = letters_in(connection)

        settle(connection, USER_DIRECTORY, letter["id"], "retry", "admin:ann")
        follow_all(connection, USER_DIRECTORY)

    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_a_retry_before_the_fix_leaves_everything_as_it_was(history: str) -> None:
    poison = position_of(history, "user.country_changed")
    broken = failing_when(USER_DIRECTORY, at(poison))
    with projector(history) as connection:
        follow_all(connection, broken)
        (letter,) = letters_in(connection)
        before = rows_of(history, USER_DIRECTORY)

        with pytest.raises(PoisonEventError, match=rf"^position {poison}: KeyError$"):
            settle(connection, broken, letter["id"], "retry", "admin:ann")

        (letter,) = letters_in(connection)
    assert letter["state"] == "open"
    assert letter["attempted_at"] is not None
    assert rows_of(history, USER_DIRECTORY) == before


def test_a_resolved_event_is_left_out_for_good_with_who_and_why(history: str) -> None:
    poison = position_of(history, "user.country_changed")
    broken = failing_when(USER_DIRECTORY, at(poison))
    with projector(history) as connection:
        follow_all(connection, broken)
        (letter,) = letters_in(connection)

        settle(connection, broken, letter["id"], "resolve", "admin:ann", "Written by a test import")

        (letter,) = letters_in(connection)
        assert (letter["state"], letter["closed_by"], letter["reason"]) == (
            "resolved",
            "admin:ann",
            "Written by a test import",
        )
        followed = sorted(rows_of(history, USER_DIRECTORY))
        assert followed == rows_without(history, poison)

        rebuild(as_projector(history), broken)
        assert sorted(rows_of(history, USER_DIRECTORY)) == followed

        settle(connection, USER_DIRECTORY, letter["id"], "retry", "admin:ann")
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def rows_without(conninfo: str, position: int) -> list[Any]:
    skipping = replace(
        USER_DIRECTORY,
        fold=lambda row, recorded: row if recorded.position == position else USER_DIRECTORY.fold(row, recorded),
    )
    return replayed_rows(conninfo, skipping)


def test_a_second_poison_event_of_a_stream_holds_it_again_when_the_first_is_resolved(history: str) -> None:
    first = position_of(history, "user.display_name_changed")
    stream = stream_at(history, first)
    broken = failing_when(USER_DIRECTORY, lambda r: r.event.originator_id == stream and r.position >= first)
    with projector(history) as connection:
        follow_all(connection, broken)
        (letter,) = letters_in(connection)

        settle(connection, broken, letter["id"], "resolve", "admin:ann", "Known")

        resolved, again = letters_in(connection)
    assert (resolved["position"], resolved["state"]) == (first, "resolved")
    assert (again["stream_id"], again["state"]) == (stream, "open")
    assert again["position"] > first


def test_a_letter_is_settled_once(history: str) -> None:
    poison = position_of(history, "user.country_changed")
    with projector(history) as connection:
        follow_all(connection, failing_when(USER_DIRECTORY, at(poison)))
        (letter,) = letters_in(connection)
        settle(connection, USER_DIRECTORY, letter["id"], "retry", "admin:ann")

        with pytest.raises(LetterNotOpenError):
            settle(connection, USER_DIRECTORY, letter["id"], "resolve", "admin:bob", "Too late")
        with pytest.raises(LookupError):
            settle(connection, USER_DIRECTORY, uuid.uuid4(), "retry", "admin:bob")


class NarrowEntry(msgspec.Struct, frozen=True):
    user_id: uuid.UUID
    text: str


def test_a_row_that_the_database_refuses_is_traced_to_its_event(history: str) -> None:
    def fold(row: NarrowEntry | None, recorded: Recorded[Any]) -> NarrowEntry:
        is_bad = recorded.position == poison or (row is not None and row.text == "\x00")
        return NarrowEntry(recorded.event.originator_id, "\x00" if is_bad else "fine")

    narrow: Projection[Any] = replace(USER_DIRECTORY, name="narrow", row=NarrowEntry, fold=fold, indexes=())
    poison = position_of(history, "user.country_changed")

    with projector(history) as connection:
        follow_all(connection, narrow)
        live = live_generation(connection, narrow.name)
        (letter,) = letters_in(connection)

    assert live is not None
    assert (live.position, letter["position"], letter["error"]) == (
        head_of(history),
        poison,
        "CharacterNotInRepertoire",
    )


def test_a_rebuild_stops_at_the_first_error_and_the_held_stream_stays_held(history: str) -> None:
    poison = position_of(history, "user.country_changed")
    broken = failing_when(USER_DIRECTORY, at(poison))
    with projector(history) as connection:
        follow_all(connection, broken)

        with pytest.raises(PoisonEventError):
            rebuild(as_projector(history), broken)

        assert [letter["state"] for letter in letters_in(connection)] == ["open"]


def test_a_rebuild_in_several_processes_says_which_event_was_poison(
    history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "PARALLEL_FROM", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    append_poison(history)

    with pytest.raises(PoisonEventError, match=rf"^position {head_of(history)}: UndecodableEventError$"):
        rebuild(as_projector(history), USER_DIRECTORY)


@pytest.mark.parametrize("phase", ["index", "catch_up", "verify"])
def test_poison_that_comes_while_a_rebuild_is_under_way_ends_it_and_the_rows_before_go_on(
    history: str, phase: str
) -> None:
    def poison(progress: RebuildProgress) -> None:
        if progress.phase == phase:
            append_poison(history)

    with projector(history) as connection:
        follow_all(connection, USER_DIRECTORY)

        with pytest.raises(PoisonEventError, match=rf"^position {head_of(history) + 1}: "):
            rebuild(as_projector(history), USER_DIRECTORY, poison)

        follow_all(connection, USER_DIRECTORY)
        (only,) = generations(connection)
        (letter,) = letters_in(connection)
        assert (only.state, only.position, letter["position"]) == ("live", head_of(history), head_of(history))
        settle(connection, USER_DIRECTORY, letter["id"], "resolve", "admin:ann", "Not ours")
    followed = sorted(rows_of(history, USER_DIRECTORY))
    rebuild(as_projector(history), USER_DIRECTORY)
    assert sorted(rows_of(history, USER_DIRECTORY)) == followed


def test_a_rebuild_after_the_fix_leaves_no_letter_behind(history: str) -> None:
    poison = position_of(history, "user.country_changed")
    with projector(history) as connection:
        follow_all(connection, failing_when(USER_DIRECTORY, at(poison)))

        for _ in range(3):  # The generation with the letter is kept for a while, in case it is wanted back.
            rebuild(as_projector(history), USER_DIRECTORY)

        assert [letter["state"] for letter in letters_in(connection)] == ["superseded"]
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_a_model_that_cannot_fold_anything_stands_still(history: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters_module, "MOST_LETTERS", 5)
    broken = failing_when(USER_DIRECTORY, lambda _: True)

    with projector(history) as connection:
        with pytest.raises(TooManyLettersError):
            follow_all(connection, broken)

        live = live_generation(connection, USER_DIRECTORY.name)
        assert live is not None
        held = {letter["stream_id"] for letter in letters_in(connection)}
    assert len(held) == 5
    assert live.position < head_of(history)
    assert stream_at(history, live.position + 1) not in held


def test_a_worker_that_came_too_late_holds_nothing(history: str) -> None:
    poison = position_of(history, "user.country_changed")

    with projector(history) as one, projector(history) as other:
        live = ensure_live(one, USER_DIRECTORY)

        with pytest.raises(PoisonEventError) as raised:
            follow_batch(one, failing_when(USER_DIRECTORY, at(poison)), live.generation)
        follow_all(other, USER_DIRECTORY)

        hold(one, USER_DIRECTORY.name, live.generation, raised.value)

        assert letters_in(one) == []


def test_a_worker_writes_letters_and_settles_them_on_request(history: str, home: Path) -> None:
    append_poison(history)

    with projector(history) as connection, worker(settings_in(home), history):
        concerned = [m for m in MODELS if "user.registered" in m.topics and not m.lists_unreadable]
        eventually(lambda: len(letters_in(connection)) == len(concerned), "a letter for each model")
        assert {letter["error"] for letter in letters_in(connection)} == {"UndecodableEventError"}
        assert "secret" not in str(letters_in(connection))

        connection.execute(
            "UPDATE projection.letter SET wish = 'resolve', wished_by = 'admin:ann', wish_reason = 'Not ours'"
        )
        eventually(
            lambda: {letter["state"] for letter in letters_in(connection)} == {"resolved"}, "the letters to be settled"
        )
        positions = {g.position for g in generations(connection)}

    assert positions == {head_of(history)}
    follow_to_head(history)
