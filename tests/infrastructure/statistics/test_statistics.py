"""The statistics against a plain SQL count over the replayed log, whatever the engine went through to make them."""

import asyncio
import random
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.projections.definition import Projection
from application.queries import Freshness
from application.statistics.counts import Counted, CountsWanted, Statistics, by_day
from application.statistics.user_statistics import ACTIVE, USER_STATISTICS, DayCount
from infrastructure.composition import open_service
from infrastructure.log.reader import Connection, Wanted, read_range
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.follow.held_streams import settle
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.rebuild.as_of import counts_as_of
from infrastructure.projections.rebuild.rebuilding import rebuild
from infrastructure.projections.tallies import tally_name
from infrastructure.projections.verify.verifying import RowDiffersError, check_all, check_tally, verify_sample
from tests.support.lives import make_lives, spread_over_days
from tests.support.poison import at, failing_when, follow_all, letters_in, position_of
from tests.support.read_models import filled, head_of
from tests.support.running import projector, settings_in

FIRST = date(2026, 1, 1)
_FACTS = """
CREATE TEMP TABLE fact ("position" bigint, account uuid, topic text, country text, purpose text, day date)
"""
_ACTIVE = """
WITH account AS (
    SELECT account, (array_agg(country ORDER BY "position" DESC) FILTER (WHERE country IS NOT NULL))[1] AS country,
           count(*) FILTER (WHERE topic = 'user.suspended') - count(*) FILTER (WHERE topic = 'user.reinstated')
           + count(*) FILTER (WHERE topic = 'user.deactivated') - count(*) FILTER (WHERE topic = 'user.reactivated')
           + count(*) FILTER (WHERE topic = 'user.deletion_requested')
           - count(*) FILTER (WHERE topic = 'user.deletion_withdrawn') AS closed
    FROM fact WHERE day <= %s GROUP BY account
)
SELECT country, count(*) FROM account WHERE closed = 0 GROUP BY country
"""


@pytest.fixture
def lives(database: str, home: Path) -> str:
    """A database with people who have done everything that is counted, over some months."""
    make_lives(home, database, 60)
    spread_over_days(database, "2026-01-01", 9)
    return database


def counted_plainly(
    conninfo: str, upto: int | None = None
) -> tuple[dict[tuple[date, str], int], dict[tuple[Any, ...], int], date]:
    """Active accounts by day and country, what happened by topic, country, purpose and day, and the last day."""
    with projector(conninfo) as log, psycopg.connect(conninfo) as own:
        own.execute(_FACTS)
        topics = USER_STATISTICS.topics
        for f in read_range(log, 0, upto or head_of(conninfo), Wanted(topics=topics, metadata=False)):
            country, purpose = getattr(f.event, "country", None), getattr(f.event, "purpose", "")
            values = (f.position, f.event.originator_id, f.topic, country, purpose, f.recorded_at.date())
            own.execute("INSERT INTO fact VALUES (%s, %s, %s, %s, %s, %s)", values)
        own.execute(
            "CREATE TEMP TABLE counted AS SELECT f.*, c.country AS of FROM fact f CROSS JOIN LATERAL (SELECT country "
            'FROM fact b WHERE b.account = f.account AND b."position" <= f."position" AND country IS NOT NULL '
            'ORDER BY "position" DESC LIMIT 1) c'
        )
        row = own.execute("SELECT max(day) FROM fact").fetchone()
        assert row is not None
        days = [FIRST + timedelta(days=n) for n in range((row[0] - FIRST).days + 1)]
        active = {(d, country): n for d in days for country, n in own.execute(_ACTIVE, (d,)).fetchall()}
        happened = own.execute("SELECT topic, of, purpose, day, count(*) FROM counted GROUP BY 1, 2, 3, 4").fetchall()
    return active, {tuple(key): n for *key, n in happened}, row[0]


def counts_kept(conninfo: str, generation: int = 1) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        table = sql.Identifier("read_model", tally_name(USER_STATISTICS.name, generation))
        return connection.execute(
            sql.SQL("SELECT * FROM {} WHERE count <> 0 ORDER BY 1, 2, 3, 4").format(table)
        ).fetchall()


def right_counts(conninfo: str) -> list[Any]:
    """The counts of a generation that is filled in one go."""
    return counts_kept(conninfo, filled(conninfo, USER_STATISTICS))


def follow(connection: Connection, model: Projection[Any], limit: int = 1000) -> None:
    live = ensure_live(connection, model)
    progress = None
    while progress is None or not progress.is_at_head:
        progress = follow_batch(connection, model, live.generation, limit)


def test_the_statistics_are_those_of_a_plain_count_over_the_log(lives: str, home: Path) -> None:
    active, happened, last = counted_plainly(lives)
    with projector(lives) as connection:
        follow(connection, USER_STATISTICS, limit=7)

    async def ask(wanted: CountsWanted) -> list[Counted]:
        async with open_service(settings_in(home), lives) as service:
            counts = await service.using(Statistics).counts(wanted, Freshness(head_of(lives)))
        assert counts.position == head_of(lives)
        return counts.items

    first = FIRST + timedelta(days=5)
    found = {
        (day, country): figures[ACTIVE]
        for country in ("SE", "DE", "FR", "NO")
        for day, figures in by_day(
            asyncio.run(ask(CountsWanted(measures=(ACTIVE,), first=first, last=last, country=country))), first, last
        )
        if figures.get(ACTIVE)
    }
    assert found == {key: n for key, n in active.items() if key[0] >= first}
    kept = {tuple(key): n for *key, n in counts_kept(lives)}
    for topic, measure in TOPICS.items():
        plainly = {(measure, c, d, p): n for (t, c, p, d), n in happened.items() if t == topic}
        assert plainly
        assert {key: n for key, n in kept.items() if key[0] == measure} == plainly


TOPICS = {
    "user.registered": "registered",
    "user.deletion_requested": "deletion_requested",
    "user.deletion_withdrawn": "deletion_withdrawn",
    "user.consent_granted": "consent_granted",
    "user.consent_withdrawn": "consent_withdrawn",
}


def test_the_counts_as_of_any_position_are_those_of_a_plain_count_over_the_log_up_to_there(lives: str) -> None:
    for position in [*random.Random(5).sample(range(1, head_of(lives)), 8), head_of(lives)]:
        active, happened, last = counted_plainly(lives, position)

        counts = list(counts_as_of(as_projector(lives), USER_STATISTICS, position))

        assert {key: n for key, n in levels(counts, ACTIVE, last).items() if n} == active
        for topic, measure in TOPICS.items():
            plainly = {(c, p, d): n for (t, c, p, d), n in happened.items() if t == topic}
            assert {(c.country, c.purpose, c.day): c.count for c in counts if c.measure == measure} == plainly


def test_the_counts_as_of_any_position_are_those_that_were_kept_there(lives: str) -> None:
    with projector(lives) as connection:
        live = ensure_live(connection, USER_STATISTICS)
        for limit in [*random.Random(6).sample(range(1, 40), 8), head_of(lives)]:
            progress = follow_batch(connection, USER_STATISTICS, live.generation, limit)

            assert progress is not None
            found = counts_as_of(as_projector(lives), USER_STATISTICS, progress.position)
            assert [msgspec.structs.astuple(count) for count in found] == counts_kept(lives)


def levels(counts: list[DayCount], measure: str, last: date) -> dict[tuple[date, str], int]:
    """What the changes of each day add up to at its end, by country."""
    days = [FIRST + timedelta(days=number) for number in range((last - FIRST).days + 1)]
    of_measure = [count for count in counts if count.measure == measure]
    return {
        (day, country): sum(c.count for c in of_measure if c.country == country and c.day <= day)
        for day in days
        for country in {count.country for count in of_measure}
    }


def test_counts_followed_by_many_and_counts_rebuilt_in_parts_are_the_same(lives: str) -> None:
    def work() -> None:
        with projector(lives) as connection:
            follow(connection, USER_STATISTICS, limit=5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second = filled(lives, USER_STATISTICS, 5)

    assert counts_kept(lives, 1) == counts_kept(lives, second) == right_counts(lives)


def test_the_counts_of_a_held_stream_catch_up_when_it_is_let_go(lives: str) -> None:
    poison = position_of(lives, "user.country_changed")
    with projector(lives) as connection:
        follow_all(connection, failing_when(USER_STATISTICS, at(poison)), 20)
        assert counts_kept(lives) != right_counts(lives)
        (letter,) = letters_in(connection)

        settle(connection, USER_STATISTICS, letter["id"], "retry", "admin:ann")

        assert [found.differing for found in check_all(connection, USER_STATISTICS, 1)] == [0, 0]
    assert counts_kept(lives) == right_counts(lives)


def test_a_count_that_is_not_the_sum_of_the_rows_is_found(lives: str) -> None:
    with projector(lives) as connection:
        follow(connection, USER_STATISTICS)
        connection.execute("UPDATE read_model.user_statistics_1_tally SET count = count + 1 WHERE measure = 'active'")

        found = check_tally(connection, USER_STATISTICS, 1)

        assert found.differing > 0
        assert {tuple(difference.columns) for difference in found.differences} <= {("count",), ("presence",)}
        with pytest.raises(RowDiffersError, match=r"^user_statistics row .*active.* differ from the log$"):
            verify_sample(connection, USER_STATISTICS, 1)


def test_a_rebuild_whose_counts_are_wrong_does_not_take_over(lives: str) -> None:
    def of(row: Any) -> Any:
        # Not pure: the engine would have to notice if it counted some rows twice, or forgot them.
        calls.append(row)
        counts = USER_STATISTICS.tally.of(row) if USER_STATISTICS.tally else {}
        return {**counts, ("active", "SE", FIRST, ""): 1000} if len(calls) == 3 else counts

    calls: list[Any] = []
    assert USER_STATISTICS.tally is not None
    impure = replace(USER_STATISTICS, tally=replace(USER_STATISTICS.tally, of=of))

    with pytest.raises(RowDiffersError, match=r"^user_statistics row \('active', 'SE'"):
        rebuild(as_projector(lives), impure)
