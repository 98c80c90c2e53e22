"""Partitions: several follow one read model, each some streams, and what is told of the rows stays true."""

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from application.history.queries import AuditFilter, Timeline
from application.history.timeline import USER_TIMELINE
from application.ports import Service
from application.projections.definition import Projection
from application.queries import PageRequest, PositionNotReachedError
from application.read_models import READ_MODELS
from application.statistics.user_statistics import USER_STATISTICS
from application.users.directory import USER_DIRECTORY
from application.users.queries import Directory, DirectoryFilter
from infrastructure.composition import open_service
from infrastructure.log.reader import ALL_OCTETS, Connection, Wanted, read_range
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.follow.following import BATCH, follow_batch
from infrastructure.projections.follow.held_streams import follow_past_poison, settle
from infrastructure.projections.follow.partition_assignment import Share, announce, count_followers, share_out
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.partitions import MOST, Partition, all_partitions, next_batch
from infrastructure.projections.rebuild.rebuilding import rebuild, roll_back
from infrastructure.projections.verify.verifying import check_all
from tests.support.poison import at, failing_when, follow_all, letters_in, position_of, stream_at
from tests.support.read_models import head_of, replayed_rows, rows_of
from tests.support.running import projector, settings_in
from tests.support.waiting import eventually
from tests.support.workers_in_trouble import kill, started, workers

MODELS = list(READ_MODELS.values())
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def partitions_of(conninfo: str, model: Projection[Any], generation: int = 1) -> list[Partition]:
    with projector(conninfo) as connection:
        return all_partitions(connection, model.name, generation)


def divided(connection: Connection, model: Projection[Any], parts: int) -> int:
    """The live generation of a model, in so many partitions."""
    live = ensure_live(connection, model)
    assert share_out(connection, model.name, live.generation, parts) == parts
    return live.generation


def one_ahead(conninfo: str, connection: Connection, model: Projection[Any], behind: int) -> int:
    """The live generation in two partitions, one of which is at the head and the other one `behind` a few events."""
    generation = divided(connection, model, 2)
    follow_batch(connection, model, generation, 30)
    with connection.transaction():
        connection.execute("SELECT FROM projection.segment WHERE name = %s AND first > 0 FOR UPDATE", (model.name,))
        with projector(conninfo) as other:
            progress = None
            while progress is None or not progress.is_at_head:
                progress = follow_batch(other, model, generation, most=1)
    assert [s.position for s in all_partitions(connection, model.name, generation)][1] == behind
    return generation


def cover(partitions: list[Partition]) -> list[int]:
    return [octet for partition in partitions for octet in range(partition.first, partition.last + 1)]


@pytest.mark.parametrize("followers", [2, 3, 5, 16, 256, 1000])
def test_partitions_are_as_many_as_followers_and_cover_every_stream_once(history: str, followers: int) -> None:
    with projector(history) as connection:
        live = ensure_live(connection, USER_DIRECTORY)

        divided_into = share_out(connection, USER_DIRECTORY.name, live.generation, followers)
        partitions = partitions_of(history, USER_DIRECTORY)
        assert divided_into == len(partitions) == min(followers, MOST)
        assert cover(partitions) == list(range(256))
        assert share_out(connection, USER_DIRECTORY.name, live.generation, 1) == 1
        assert partitions_of(history, USER_DIRECTORY) == [(0, 255, 0)]


def test_partitions_that_somebody_holds_are_neither_divided_nor_joined(history: str) -> None:
    with projector(history) as one, projector(history) as other:
        generation = divided(one, USER_DIRECTORY, 2)
        before = partitions_of(history, USER_DIRECTORY)
        with one.transaction():
            follow_batch(one, USER_DIRECTORY, generation, 10)

            assert share_out(other, USER_DIRECTORY.name, generation, 4) == 2
            assert share_out(other, USER_DIRECTORY.name, generation, 1) == 2
            assert partitions_of(history, USER_DIRECTORY) == before


def test_two_hold_different_streams_at_the_same_time_and_together_all_of_them(history: str) -> None:
    with projector(history) as one, projector(history) as other, projector(history) as third:
        generation = divided(one, USER_DIRECTORY, 2)
        with one.transaction(), other.transaction():
            first = follow_batch(one, USER_DIRECTORY, generation, most=1)
            second = follow_batch(other, USER_DIRECTORY, generation, most=1)
            nothing_left = follow_batch(third, USER_DIRECTORY, generation)

    assert first is not None
    assert second is not None
    assert nothing_left is None
    assert first.events > 0
    assert second.events > 0
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_partitions_that_have_drifted_apart_go_on_together_from_where_they_meet() -> None:
    partitions = [Partition(0, 99, 50), Partition(100, 199, 70), Partition(200, 255, 50)]

    batch = next_batch(partitions, head=90, limit=1000)
    met = next_batch([partition._replace(position=70) for partition in partitions], head=90, limit=10)

    assert (batch.octets, batch.after, batch.upto) == (((0, 99), (200, 255)), 50, 70)
    assert (met.octets, met.after, met.upto) == (ALL_OCTETS, 70, 80)


def test_each_event_is_in_the_batch_of_one_partition(history: str) -> None:
    with projector(history) as connection:
        wanted = Wanted(topics=USER_TIMELINE.topics)
        parts = [
            read_range(connection, 0, 10**6, Wanted(topics=USER_TIMELINE.topics, octets=octets))
            for octets in (((0, 0), (17, 99)), ((1, 16),), ((100, 255),))
        ]
        whole = read_range(connection, 0, 10**6, wanted)

    assert all(parts)
    assert sorted(fact.position for part in parts for fact in part) == [fact.position for fact in whole]


@every_model
def test_whoever_follows_however_much_comes_to_the_rows_of_a_replay(history: str, model: Projection[Any]) -> None:
    """Also while partitions are divided and joined all the time."""

    head = head_of(history)

    def follow(number: int) -> None:
        draw = random.Random(number)
        with projector(history) as connection:
            live = ensure_live(connection, model)
            while ensure_live(connection, model).position < head:
                share_out(connection, model.name, live.generation, draw.choice((1, 2, 5, 9)))
                follow_batch(connection, model, live.generation, draw.randint(1, 9), most=draw.choice((1, 2, MOST)))

    threads = [threading.Thread(target=follow, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert cover(partitions_of(history, model)) == list(range(256))
    assert sorted(rows_of(history, model)) == replayed_rows(history, model)


def ask(conninfo: str, home: Path, question: Any) -> Any:
    async def answer() -> Any:
        async with open_service(settings_in(home, REPRISE_WAIT_SECONDS="0.1"), conninfo) as service:
            return await question(service)

    return asyncio.run(answer())


def test_a_list_of_facts_ends_where_all_streams_are(history: str, home: Path) -> None:
    with projector(history) as connection:
        one_ahead(history, connection, USER_TIMELINE, behind=30)

    async def search(service: Service) -> Any:
        return await service.using(Timeline).search(AuditFilter(), PageRequest(limit=200))

    page = ask(history, home, search)

    assert (page.position, [entry.position for entry in page.items]) == (30, list(range(1, 31)))
    assert len(rows_of(history, USER_TIMELINE)) > 30


def test_who_has_seen_more_than_all_streams_reflect_has_to_wait(history: str, home: Path) -> None:
    with projector(history) as connection:
        one_ahead(history, connection, USER_DIRECTORY, behind=30)

    async def page(service: Service, position: int) -> Any:
        return await service.using(Directory).page(DirectoryFilter(), PageRequest(min_position=position))

    assert ask(history, home, lambda service: page(service, 30)).position == 30
    with pytest.raises(PositionNotReachedError):
        ask(history, home, lambda service: page(service, 31))


@pytest.mark.parametrize("model", [USER_DIRECTORY, USER_TIMELINE], ids=lambda model: model.name)
def test_streams_that_are_further_than_others_are_checked_as_far_as_they_are(
    history: str, model: Projection[Any]
) -> None:
    with projector(history) as connection:
        generation = one_ahead(history, connection, model, behind=30)

        found = list(check_all(connection, model, generation))

        assert [part.differences for part in found if part.differing] == []
        assert sum(part.rows for part in found) == len(rows_of(history, model))


@pytest.mark.parametrize("limit", [1, 7, BATCH])
def test_a_poison_event_holds_its_stream_whichever_partition_it_is_in(history: str, limit: int) -> None:
    poison = position_of(history, "user.country_changed")
    held = stream_at(history, poison)
    failing = failing_when(USER_DIRECTORY, at(poison))
    head = head_of(history)
    with projector(history) as connection:
        generation = divided(connection, USER_DIRECTORY, 5)
        while ensure_live(connection, USER_DIRECTORY).position < head:
            follow_past_poison(connection, failing, generation, limit, most=2)
        (letter,) = letters_in(connection)
        rows = {row[0]: row for row in rows_of(history, USER_DIRECTORY)}
        right = {row[0]: row for row in replayed_rows(history, USER_DIRECTORY)}
        assert {key for key in right if rows[key] != right[key]} == {held}

        settle(connection, USER_DIRECTORY, letter["id"], "retry", "admin:ann")

    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_a_stream_that_is_let_go_is_folded_as_far_as_its_own_partition(history: str) -> None:
    poison = position_of(history, "user.country_changed")
    with projector(history) as connection:
        follow_all(connection, failing_when(USER_DIRECTORY, at(poison)))
        (letter,) = letters_in(connection)
        share_out(connection, USER_DIRECTORY.name, 1, 2)
        connection.execute('UPDATE projection.segment SET "position" = %s', (poison,))  # Both; they fold again below.

        settle(connection, USER_DIRECTORY, letter["id"], "retry", "admin:ann")

    (row,) = [row for row in rows_of(history, USER_DIRECTORY) if row[0] == letter["stream_id"]]
    assert row in replayed_rows(history, USER_DIRECTORY, poison)


def test_no_stream_goes_back_when_a_rebuild_takes_over(history: str) -> None:
    with projector(history) as connection:
        one_ahead(history, connection, USER_DIRECTORY, behind=30)

    rebuilt = rebuild(as_projector(history), USER_DIRECTORY)
    back = roll_back(as_projector(history), USER_DIRECTORY)

    assert rebuilt.position == back.position == head_of(history)
    assert {partition.position for partition in partitions_of(history, USER_DIRECTORY)} == {head_of(history)}
    assert sorted(rows_of(history, USER_DIRECTORY)) == replayed_rows(history, USER_DIRECTORY)


def test_followers_are_counted_as_long_as_their_connections_live(history: str) -> None:
    with projector(history) as one:
        announce(one, USER_DIRECTORY)
        announce(one, USER_TIMELINE)
        with projector(history) as other:
            announce(other, USER_DIRECTORY)
            assert (count_followers(one, USER_DIRECTORY), count_followers(one, USER_TIMELINE)) == (2, 1)

        eventually(lambda: count_followers(one, USER_DIRECTORY) == 1, "the other one to be gone")


def test_counts_of_one_position_are_made_by_one_follower(history: str) -> None:
    with projector(history) as one, projector(history) as other:
        live = ensure_live(one, USER_STATISTICS)
        announce(other, USER_STATISTICS)

        assert Share(USER_STATISTICS).most(one, live.generation) == MOST
        assert len(partitions_of(history, USER_STATISTICS)) == 1


def test_workers_that_come_and_go_share_the_streams_out_among_them(history: str, home: Path) -> None:
    def are(count: int) -> bool:
        return all(len(partitions_of(history, model)) == count for model in (USER_DIRECTORY, USER_TIMELINE))

    with workers(home, history, 1) as running:
        eventually(lambda: are(1), "the first to follow")
        running += [started(home, history), started(home, history)]
        eventually(lambda: are(3), "three to share")
        for _ in range(2):
            kill(running.pop())
        eventually(lambda: are(1), "the one that is left to have it all")
