"""The `eventsourcing` library's own published test cases, unmodified, and what the recorders promise beyond them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from unittest import TestCase
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, Notification, ProgrammingError, StoredEvent, Tracking
from eventsourcing.tests import application as application_cases
from eventsourcing.tests import persistence as cases
from eventsourcing.tests import projection as projection_cases
from eventsourcing.utils import Environment, get_topic

from infrastructure.eventsourcing_recorders import Factory
from infrastructure.eventsourcing_recorders.log_recorders import LogAggregateRecorder, LogApplicationRecorder
from infrastructure.eventsourcing_recorders.process_recorder import LogProcessRecorder
from infrastructure.eventsourcing_recorders.streams import StreamRecorder
from infrastructure.eventsourcing_recorders.tracking import LogTrackingRecorder
from infrastructure.log.notifications import LOG_CHANNEL
from infrastructure.postgres.schema import migrate
from tests.support.cut_line import CuttableLine
from tests.support.waiting import PATIENCE_SECONDS, eventually

PERSISTENCE_MODULE = "infrastructure.eventsourcing_recorders"


class WithFactory(TestCase):
    """Gives a library test case a factory over an empty log."""

    factory: Factory

    @pytest.fixture(autouse=True)
    def _provide_factory(self, database: str) -> Iterator[None]:
        self.factory = Factory({"REPRISE_DATABASE_URL": database})
        yield
        self.factory.close()


class TestLogAggregateRecorder(WithFactory, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> StreamRecorder:
        return self.factory.aggregate_recorder()


class TestSnapshotRecorder(WithFactory, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> StreamRecorder:
        return self.factory.aggregate_recorder(purpose="snapshots")


class TestLogApplicationRecorder(WithFactory, cases.ApplicationRecorderTestCase[LogApplicationRecorder]):
    def create_recorder(self) -> LogApplicationRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestLogNotificationsDoNotInterleave(WithFactory, cases.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LogApplicationRecorder:
        return self.factory.application_recorder()


class TestLogTrackingRecorder(WithFactory, cases.TrackingRecorderTestCase):
    def create_recorder(self) -> LogTrackingRecorder:
        return self.factory.tracking_recorder(LogTrackingRecorder)


class TestLogProcessRecorder(WithFactory, cases.ProcessRecorderTestCase):
    def create_recorder(self) -> LogProcessRecorder:
        return self.factory.process_recorder()


class LogTrackingRecorderOfMyOwn(LogTrackingRecorder):
    pass


class TestFactory(cases.InfrastructureFactoryTestCase[Factory]):
    @pytest.fixture(autouse=True)
    def _provide_environment(self, database: str) -> None:
        variables = {"PERSISTENCE_MODULE": PERSISTENCE_MODULE, "REPRISE_DATABASE_URL": database}
        self.env = Environment("TestCase", variables)

    def expected_factory_class(self) -> type[Factory]:
        return Factory

    def expected_aggregate_recorder_class(self) -> type[LogAggregateRecorder]:
        return LogAggregateRecorder

    def expected_application_recorder_class(self) -> type[LogApplicationRecorder]:
        return LogApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[LogTrackingRecorder]:
        return LogTrackingRecorder

    def tracking_recorder_subclass(self) -> type[LogTrackingRecorder]:
        return LogTrackingRecorderOfMyOwn

    def expected_process_recorder_class(self) -> type[LogProcessRecorder]:
        return LogProcessRecorder


class WithEnvironment(TestCase):
    """Has the library's applications find our log through the environment variables of the process."""

    expected_factory_topic = get_topic(Factory)

    @pytest.fixture(autouse=True)
    def _set_environment(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERSISTENCE_MODULE", PERSISTENCE_MODULE)
        monkeypatch.setenv("REPRISE_DATABASE_URL", database)


@pytest.mark.filterwarnings("default:.log. is deprecated:DeprecationWarning")  # test_application_log asserts it
class TestApplication(WithEnvironment, application_cases.ApplicationTestCase):
    pass


class TestExampleApplication(WithEnvironment, application_cases.ExampleApplicationTestCase):
    pass


class EventCounters(LogTrackingRecorder, projection_cases.EventCountersView):
    """A view that counts in a table of its own."""

    def get_created_event_counter(self) -> int:
        return self._count("created")

    def get_subsequent_event_counter(self) -> int:
        return self._count("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment("subsequent", tracking)

    def _count(self, name: str) -> int:
        with self.datastore.connection() as connection:
            row = connection.execute("SELECT count FROM counter WHERE name = %s", (name,)).fetchone()
            return row[0] if row else 0

    def _increment(self, name: str, tracking: Tracking) -> None:
        with self.datastore.transaction() as cursor:
            self.advance(cursor, tracking)
            cursor.execute("UPDATE counter SET count = count + 1 WHERE name = %s", (name,))


def create_counters(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE counter (name text PRIMARY KEY, count integer NOT NULL DEFAULT 0)")
        connection.execute("INSERT INTO counter VALUES ('created'), ('subsequent')")
        connection.execute("GRANT SELECT, UPDATE ON counter TO reprise_app")


class TestEventCountersView(WithFactory, projection_cases.EventCountersViewTestCase):
    @pytest.fixture(autouse=True)
    def _create_counters(self, database: str) -> None:
        create_counters(database)

    def construct_event_counters_view(self) -> EventCounters:
        return self.factory.tracking_recorder(EventCounters)


class TestProjection(projection_cases.AggregateEventCountersProjectionTestCase):
    view_class = EventCounters

    @pytest.fixture(autouse=True)
    def _provide_environment(self, database: str) -> None:
        create_counters(database)
        type(self).env = {"PERSISTENCE_MODULE": PERSISTENCE_MODULE, "REPRISE_DATABASE_URL": database}


class TestEventSourcedProjection(projection_cases.EventSourcedProjectionTestCase):
    """An application that follows another has a log of its own."""

    env: ClassVar[dict[str, str]]

    @pytest.fixture(autouse=True)
    def _provide_environment(self, database: str, empty_database: str) -> None:
        migrate(empty_database)
        type(self).env = {
            "PERSISTENCE_MODULE": PERSISTENCE_MODULE,
            "APPLICATION_REPRISE_DATABASE_URL": database,
            "COUNTERS_REPRISE_DATABASE_URL": empty_database,
        }


@pytest.fixture
def factory(database: str) -> Iterator[Factory]:
    with Factory({"REPRISE_DATABASE_URL": database}) as factory:
        yield factory


@pytest.fixture
def line(database: str) -> Iterator[CuttableLine]:
    with CuttableLine(database) as line:
        yield line


@pytest.fixture
def factory_on_the_line(line: CuttableLine) -> Iterator[Factory]:
    with Factory({"REPRISE_DATABASE_URL": line.conninfo}) as factory:
        yield factory


def happened(*versions: int, stream_id: UUID | None = None) -> list[StoredEvent]:
    stream_id = stream_id or uuid4()
    return [StoredEvent(stream_id, version, "happened", b"it did") for version in versions]


def test_events_whose_acknowledgement_was_lost_are_recorded_once_and_are_no_conflict(
    line: CuttableLine, factory_on_the_line: Factory
) -> None:
    recorder = factory_on_the_line.application_recorder()

    line.cut_after("happened")
    recorded = recorder.insert_events(happened(1, 2))

    assert line.was_cut
    assert recorded == [1, 2]
    assert recorder.max_notification_id() == 2


def test_events_that_were_lost_on_their_way_are_sent_again(line: CuttableLine, factory_on_the_line: Factory) -> None:
    recorder = factory_on_the_line.application_recorder()

    line.cut_before("happened")
    recorded = recorder.insert_events(happened(1, 2))

    assert line.was_cut
    assert recorded == [1, 2]


def test_progress_and_events_whose_acknowledgement_was_lost_are_no_conflict(
    line: CuttableLine, factory_on_the_line: Factory
) -> None:
    recorder = factory_on_the_line.process_recorder()

    line.cut_after("happened")
    recorded = recorder.insert_events(happened(1), tracking=Tracking("upstream", 7))

    assert line.was_cut
    assert recorded == [1]
    assert recorder.max_tracking_id("upstream") == 7


def test_progress_whose_acknowledgement_was_lost_is_no_conflict(
    line: CuttableLine, factory_on_the_line: Factory
) -> None:
    recorder = factory_on_the_line.process_recorder()

    line.cut_after("COMMIT")
    recorder.insert_tracking(Tracking("upstream", 7))

    assert line.was_cut
    assert recorder.max_tracking_id("upstream") == 7


def test_a_snapshot_whose_acknowledgement_was_lost_is_no_conflict(
    line: CuttableLine, factory_on_the_line: Factory
) -> None:
    recorder = factory_on_the_line.aggregate_recorder(purpose="snapshots")
    snapshots = happened(5)

    line.cut_after("COMMIT")
    recorder.insert_events(snapshots)

    assert line.was_cut
    assert recorder.select_events(snapshots[0].originator_id) == snapshots


def test_refused_events_leave_no_progress_behind(factory: Factory) -> None:
    recorder = factory.process_recorder()
    events = happened(1)
    recorder.insert_events(events)

    with pytest.raises(IntegrityError):
        recorder.insert_events(events, tracking=Tracking("upstream", 1))

    assert recorder.max_tracking_id("upstream") is None


def test_a_follower_that_was_there_before_records_no_events(factory: Factory) -> None:
    recorder = factory.process_recorder()
    recorder.insert_events(happened(1), tracking=Tracking("upstream", 1))

    with pytest.raises(IntegrityError):
        recorder.insert_events(happened(1), tracking=Tracking("upstream", 1))

    assert recorder.max_notification_id() == 1


@pytest.mark.parametrize("versions", [[2, 2, 4], [3, 2], [3]], ids=["twice", "out of order", "too early"])
def test_events_that_do_not_continue_their_stream_are_refused(factory: Factory, versions: list[int]) -> None:
    recorder = factory.application_recorder()
    stream_id = uuid4()
    recorder.insert_events(happened(1, stream_id=stream_id))

    with pytest.raises(IntegrityError):
        recorder.insert_events(happened(*versions, stream_id=stream_id))

    assert recorder.max_notification_id() == 1


def test_a_subscription_survives_the_loss_of_all_connections(factory: Factory, database: str) -> None:
    recorder = factory.application_recorder()
    recorder.insert_events(happened(1))

    with recorder.subscribe() as subscription:
        seen = [next(subscription).id]
        cut_all_connections(database)
        recorder.insert_events(happened(1))
        seen.append(next(subscription).id)

    assert seen == [1, 2]


class RecorderThatNotesStarts(LogApplicationRecorder):
    """Remembers after which positions notifications were asked for."""

    starts: ClassVar[list[int | None]] = []

    def select_notifications(self, start: int | None, *args: Any, **kwargs: Any) -> Sequence[Notification]:
        self.starts.append(start)
        return super().select_notifications(start, *args, **kwargs)


def test_a_subscription_to_some_topics_moves_on_past_the_others(factory: Factory) -> None:
    recorder = RecorderThatNotesStarts(factory.datastore, "")
    recorder.insert_events(happened(1, 2, 3))

    with ThreadPoolExecutor() as executor, recorder.subscribe(topics=["rare"]) as subscription:
        awaited = executor.submit(next, subscription)
        eventually(lambda: 3 in recorder.starts, "a search that begins after the others")
        recorder.insert_events([StoredEvent(uuid4(), 1, "rare", b"")])

        assert awaited.result().id == 4


def test_an_append_sends_a_hint_to_those_who_listen(factory: Factory, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"LISTEN {LOG_CHANNEL}")
        factory.application_recorder().insert_events(happened(1))

        assert [hint.channel for hint in connection.notifies(timeout=PATIENCE_SECONDS, stop_after=1)] == [LOG_CHANNEL]


def test_two_followers_of_one_application_do_not_share_their_progress(database: str) -> None:
    environment = {"REPRISE_DATABASE_URL": database}
    with Factory(Environment("One", environment)) as one, Factory(Environment("Other", environment)) as other:
        one.tracking_recorder(LogTrackingRecorder).insert_tracking(Tracking("upstream", 5))

        assert other.tracking_recorder(LogTrackingRecorder).max_tracking_id("upstream") is None


def test_the_environment_must_name_a_database() -> None:
    with pytest.raises(OSError, match="REPRISE_DATABASE_URL"):
        Factory({})


def test_there_is_no_table_for_other_purposes(factory: Factory) -> None:
    with pytest.raises(ProgrammingError, match="gossip"):
        factory.aggregate_recorder(purpose="gossip")


def cut_all_connections(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
