"""Made-up populations are what a service could have recorded."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from benchmarks.filling import fill
from benchmarks.population import Fact, Population
from domain.kernel import AggregateEvent
from domain.users import User
from infrastructure.commands.aggregates import play
from infrastructure.encryption.keychain import grant, key_encryption_key
from infrastructure.log.event_codec import decode
from infrastructure.users.claims.claim_ids import ClaimIds
from tests.support.running import settings_in

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def population() -> Population:
    return Population(24, ClaimIds(bytes(32)), BEGIN)


def test_positions_are_dense_and_instants_never_go_back(population: Population) -> None:
    facts = list(population.facts())

    assert [fact.position for fact in facts] == list(range(1, population.events + 1))
    assert [fact.recorded_at for fact in facts] == sorted(fact.recorded_at for fact in facts)


def test_the_versions_of_each_stream_go_up_by_one(population: Population) -> None:
    for facts in _streams(population).values():
        assert [fact.version for fact in facts] == list(range(1, len(facts) + 1))


def test_every_user_can_be_played_from_their_facts(population: Population) -> None:
    streams = _streams(population)

    for number in range(population.users):
        user: User = play(None, _events(streams[population.user_id(number)]))

        assert user.version == population.last_version
        assert user.email_verified


def test_facts_of_one_user_lie_apart(population: Population) -> None:
    for facts in _streams(population).values():
        assert all(later.position - earlier.position > 1 for earlier, later in pairwise(facts))


def test_a_filled_log_goes_on_where_the_population_ends(database: str, home: Path, population: Population) -> None:
    grant(settings_in(home))
    fill(database, population, key_encryption_key(settings_in(home)))

    with psycopg.connect(database) as connection:
        head = connection.execute('SELECT "position", recorded_at FROM log.head').fetchone()
        last = connection.execute('SELECT max("position"), max(recorded_at), count(*) FROM log.event').fetchone()

    assert last == (population.events, population.recorded_at(population.events), population.events)
    assert head == last[:2]


def _streams(population: Population) -> dict[UUID, list[Fact]]:
    streams: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in population.facts():
        streams[fact.stream_id].append(fact)
    return streams


def _events(facts: list[Fact]) -> Iterator[AggregateEvent]:
    return (decode(fact.topic, fact.state, fact.stream_id, fact.version, fact.recorded_at) for fact in facts)
