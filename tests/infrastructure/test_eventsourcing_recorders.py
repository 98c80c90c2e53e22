"""The `eventsourcing` library's own published test cases, unmodified, and what the recorders promise beyond them."""

from typing import Any, ClassVar
from unittest import TestCase

import psycopg
import pytest
from eventsourcing.persistence import InfrastructureFactory, Tracking
from eventsourcing.tests import application as application_cases
from eventsourcing.tests import persistence as cases
from eventsourcing.tests import projection as projection_cases
from eventsourcing.utils import Environment, get_topic

from infrastructure.eventsourcing_recorders import Factory
from infrastructure.eventsourcing_recorders.log_recorders import LogAggregateRecorder, LogApplicationRecorder
from infrastructure.eventsourcing_recorders.process_recorder import LogProcessRecorder
from infrastructure.eventsourcing_recorders.snapshots import SnapshotRecorder
from infrastructure.eventsourcing_recorders.streams import StreamRecorder
from infrastructure.eventsourcing_recorders.tracking import LogTrackingRecorder
from infrastructure.schema import migrate

PERSISTENCE_MODULE = "infrastructure.eventsourcing_recorders"


class WithFactory(TestCase):
    """Gives a library test case a factory over an empty log."""

    factory: Factory

    @pytest.fixture(autouse=True)
    def _provide_factory(self, database: str) -> Any:
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
