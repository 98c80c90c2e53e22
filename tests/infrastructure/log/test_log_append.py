"""The contract of `log.append`: what the log promises to everything that stands on it."""

import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors

from infrastructure.postgres.connections import APP_ROLE, PROJECTOR_ROLE, in_role
from tests.support.appending import Command, append


@pytest.fixture
def log(database: str) -> Any:
    with psycopg.connect(in_role(database, APP_ROLE), autocommit=True) as connection:
        yield connection


def log_rows(connection: psycopg.Connection[Any]) -> list[Any]:
    return connection.execute('SELECT "position", stream_id, version FROM log.event ORDER BY "position"').fetchall()


def test_events_are_numbered_in_their_order_without_a_gap(log: psycopg.Connection[Any]) -> None:
    first, second = uuid.uuid4(), uuid.uuid4()

    outcomes = append(log, Command((first, 1), (first, 2)), Command(), Command((second, 1)))

    assert outcomes == [("appended", 2), ("appended", 3), ("appended", 3)]
    assert log_rows(log) == [(1, first, 1), (2, first, 2), (3, second, 1)]


@pytest.mark.parametrize("versions", [[2], [3], [1, 3], [0, 2], [2, 1], [1, 1], [1, 1, 3], [1, 3, 2]])
def test_a_stream_begins_at_its_beginning_and_skips_nothing(log: psycopg.Connection[Any], versions: list[int]) -> None:
    stream = uuid.uuid4()

    outcomes = append(log, Command(*((stream, version) for version in versions)))

    assert outcomes == [("conflict", None)]
    assert log_rows(log) == []


def test_a_version_is_taken_once(log: psycopg.Connection[Any]) -> None:
    stream = uuid.uuid4()
    append(log, Command((stream, 1)))

    outcomes = append(log, Command((stream, 1)), Command((uuid.uuid4(), 1)))

    assert outcomes == [("conflict", None), ("appended", 2)]


def test_nothing_comes_before_the_beginning_of_a_stream(log: psycopg.Connection[Any]) -> None:
    stream = uuid.uuid4()
    append(log, Command((stream, 1)))

    outcomes = append(log, Command((stream, 0)))

    assert outcomes == [("conflict", None)]


@pytest.mark.parametrize("versions", [(1, 2), (2, 3), (3, 2)])
def test_two_commands_of_one_batch_do_not_share_a_stream(
    log: psycopg.Connection[Any], versions: tuple[int, int]
) -> None:
    """The second was decided without the first, even if its version is the next."""
    stream = uuid.uuid4()
    append(log, *([Command((stream, 1))] if versions[0] > 1 else []))
    before = len(log_rows(log))

    outcomes = append(log, *(Command((stream, version)) for version in versions))

    assert [outcome for outcome, _ in outcomes].count("appended") == len(log_rows(log)) - before <= 1
    assert outcomes[1] == ("conflict", None)


def test_a_command_is_recorded_whole_or_not_at_all(log: psycopg.Connection[Any]) -> None:
    taken, free = uuid.uuid4(), uuid.uuid4()
    append(log, Command((taken, 1)))

    outcomes = append(log, Command((free, 1), (taken, 1)))

    assert outcomes == [("conflict", None)]
    assert len(log_rows(log)) == 1


def test_the_same_key_gets_the_same_answer(log: psycopg.Connection[Any]) -> None:
    append(log, Command((uuid.uuid4(), 1), key=b"key"))
    append(log, Command((uuid.uuid4(), 1)))

    outcomes = append(log, Command((uuid.uuid4(), 1), key=b"key"))

    assert outcomes == [("known", 1)]
    assert len(log_rows(log)) == 2


def test_a_key_belongs_to_one_request(log: psycopg.Connection[Any]) -> None:
    append(log, Command((uuid.uuid4(), 1), key=b"key"))

    outcomes = append(log, Command((uuid.uuid4(), 1), key=b"key", fingerprint=b"other"))

    assert outcomes == [("key_reused", None)]


def test_a_key_is_kept_even_if_there_was_nothing_to_record(log: psycopg.Connection[Any]) -> None:
    append(log, Command((uuid.uuid4(), 1)), Command(key=b"key"))

    assert append(log, Command((uuid.uuid4(), 1), key=b"key")) == [("known", 1)]


def test_a_refused_command_leaves_its_key_free(log: psycopg.Connection[Any]) -> None:
    append(log, Command((uuid.uuid4(), 7), key=b"key"))

    assert append(log, Command((uuid.uuid4(), 1), key=b"key")) == [("appended", 1)]


def test_a_command_sent_again_is_recognised(log: psycopg.Connection[Any]) -> None:
    command = Command((uuid.uuid4(), 1), (uuid.uuid4(), 1))
    append(log, command)
    append(log, Command((command.events[0][0], 2)))

    assert append(log, command) == [("recorded", 2)]
    assert len(log_rows(log)) == 3


def test_time_never_goes_back(database: str, log: psycopg.Connection[Any]) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE log.head SET recorded_at = clock_timestamp() + interval '1 hour'")

    append(log, Command((uuid.uuid4(), 1)))
    append(log, Command((uuid.uuid4(), 1)))

    row = log.execute(
        "SELECT min(recorded_at) > clock_timestamp(), count(DISTINCT recorded_at) FROM log.event"
    ).fetchone()
    assert row == (True, 1)


@pytest.mark.parametrize("role", [APP_ROLE, PROJECTOR_ROLE])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO log.event SELECT 9, now(), gen_random_uuid(), 1, 't', ''",
        "UPDATE log.event SET state = ''",
        "DELETE FROM log.event",
        "TRUNCATE log.event",
        'UPDATE log.head SET "position" = 0',
        "DELETE FROM log.command",
    ],
)
def test_the_service_has_no_other_way_into_the_log(database: str, role: str, statement: str) -> None:
    with (
        psycopg.connect(in_role(database, role), autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "statement", ["UPDATE log.event SET state = ''", "DELETE FROM log.event", "TRUNCATE log.event"]
)
def test_not_even_the_owner_changes_what_was_recorded(
    database: str, log: psycopg.Connection[Any], statement: str
) -> None:
    append(log, Command((uuid.uuid4(), 1)))

    with psycopg.connect(database, autocommit=True) as owner, pytest.raises(errors.InsufficientPrivilege):
        owner.execute(statement.encode())

    assert len(log_rows(log)) == 1


STREAMS = [uuid.UUID(int=number) for number in range(1, 5)]
KEYS = [None, b"a", b"b"]
batches = st.lists(
    st.lists(
        st.tuples(
            st.lists(
                st.tuples(st.sampled_from(STREAMS), st.integers(1, 4), st.integers(1, 2)),
                max_size=2,
                unique_by=lambda e: e[0],
            ),
            st.sampled_from(KEYS),
            st.sampled_from([b"f", b"g"]),
        ),
        min_size=1,
        max_size=6,
    ),
    max_size=6,
)


class Model:
    """What the log must do, the simplest way: one command after the other."""

    def __init__(self) -> None:
        self.versions: dict[uuid.UUID, int] = {}
        self.keys: dict[bytes, tuple[bytes, int]] = {}
        self.position = 0

    def append(self, commands: list[Command]) -> list[tuple[str, int | None]]:
        known = dict(self.keys)
        versions = dict(self.versions)
        streams: set[uuid.UUID] = set()
        keys: set[bytes] = set()
        outcomes: list[tuple[str, int | None]] = []
        waiting: list[int] = []
        for command in commands:
            outcome = self._outcome(command, known, versions, streams, keys)
            streams |= {stream for stream, _ in command.events}
            keys |= {command.key} if command.key else set()
            if outcome[0] == "appended":
                self.position += len(command.events)
                self.versions.update(command.events)
                outcome = ("appended", self.position)
                if command.key:
                    self.keys[command.key] = (command.fingerprint, self.position)
                if not command.events:
                    waiting.append(len(outcomes))
            outcomes.append(outcome)
        for number in waiting:
            outcomes[number] = ("appended", self.position)
            key = commands[number].key
            if key:
                self.keys[key] = (commands[number].fingerprint, self.position)
        return outcomes

    @staticmethod
    def _outcome(
        command: Command,
        known: dict[bytes, tuple[bytes, int]],
        versions: dict[uuid.UUID, int],
        streams: set[uuid.UUID],
        keys: set[bytes],
    ) -> tuple[str, int | None]:
        if command.key in known:
            fingerprint, position = known[command.key]
            return ("known", position) if fingerprint == command.fingerprint else ("key_reused", None)
        ahead = dict(versions)
        for stream, version in command.events:
            if stream in streams or version != ahead.get(stream, 0) + 1:
                return ("conflict", None)
            ahead[stream] = version
        return ("conflict", None) if command.key in keys else ("appended", None)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_in_any_batch_each_command_wins_or_loses_by_itself(log: psycopg.Connection[Any], drawn: list[Any]) -> None:
    salt = uuid.uuid4().int & ~0xFF
    model = Model()
    start = len(log_rows(log))

    for batch in drawn:
        commands = [
            Command(
                *((uuid.UUID(int=salt | s.int), v + n) for s, v, count in events for n in range(count)),
                key=salt.to_bytes(16) + key if key else None,
                fingerprint=fingerprint,
            )
            for events, key, fingerprint in batch
        ]
        expected = model.append(commands)
        actual = append(log, *commands)

        assert actual == [(outcome, None if p is None else p + start) for outcome, p in expected]

    positions = [position for position, _, _ in log_rows(log)]
    assert positions == list(range(1, start + model.position + 1))
