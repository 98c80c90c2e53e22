"""The directory, followed by the `eventsourcing` library's own runner: one event, one transaction.

It reads our log through the library's recorders for it, decodes with our codec, folds with our fold and writes rows of
the same table form: all that differs from our engine is how it goes about it. Facts have no instant in the library's
notifications; a fixed one stands in, which costs the runner nothing.
"""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, StoredEvent, Tracking
from eventsourcing.projection import Projection, ProjectionRunner
from msgspec.structs import replace
from psycopg import sql

from application.recorded import Recorded
from application.users.directory import USER_DIRECTORY
from benchmarks.sealing import key_of
from infrastructure.eventsourcing_recorders.tracking import LogTrackingRecorder
from infrastructure.log.event_codec import decode
from infrastructure.log.stored_events import readable_form
from infrastructure.postgres.roles import APP_ROLE, roles_of
from infrastructure.projections.tables import ModelTable

INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 120.0
MODEL = replace(USER_DIRECTORY, name="library_directory")


class LogMapper(Mapper[UUID]):
    """Decodes what our log holds."""

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The typed event."""
        stream_id = stored_event.originator_id
        assert isinstance(stream_id, UUID)  # noqa: S101 - our recorders give nothing else
        version = stored_event.originator_version
        # What is sealed is opened with keys that cost no look at a database, which only helps the library's runner.
        ciphers = {stream_id: key_of(stream_id).cipher}
        state = readable_form(stored_event.topic, stored_event.state, stream_id, version, ciphers)
        return decode(stored_event.topic, state, stream_id, version, INSTANT)


class Log(Application[UUID]):
    """Our log, as an application of the library."""


class DirectoryView(LogTrackingRecorder):
    """The table, and how far it has come, changed in one transaction."""

    table = ModelTable(MODEL, 1)
    durable = True
    folded_at = 0.0
    """When the last event was folded."""

    def fold(self, event: Any, tracking: Tracking) -> None:
        """Fold one event into its row."""
        fact: Recorded[Any] = Recorded(event, event.TOPIC, tracking.notification_id, INSTANT)
        key = MODEL.key(fact)
        with self.datastore.transaction() as cursor:
            if not self.durable:
                cursor.execute("SET LOCAL synchronous_commit = off")
            row = MODEL.fold(self.table.load(cursor.connection, [key]).get(key), fact)
            if row is None:
                self.table.remove(cursor.connection, [key])
            else:
                self.table.put(cursor.connection, [row])
            self.advance(cursor, tracking)
        self.folded_at = time.perf_counter()


class DirectoryProjection(Projection[DirectoryView]):
    """What the runner drives."""

    topics = tuple(MODEL.topics)

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Fold one event."""
        self.view.fold(domain_event, tracking)


def run(conninfo: str, upto: int, *, durable: bool = True) -> float:
    """Follow a log from its beginning up to a position, into an empty table; how many seconds that took.

    The runner waits for the disk after each event, as the library's recorders are made to; if it is not `durable`, it
    does not, as our engine does not.
    """
    _prepare(conninfo)
    environment = {
        "PERSISTENCE_MODULE": "infrastructure.eventsourcing_recorders",
        "MAPPER_TOPIC": f"{__name__}:LogMapper",
        "REPRISE_DATABASE_URL": conninfo,
    }
    view = DirectoryView if durable else HastyDirectoryView
    begin = time.perf_counter()
    with ProjectionRunner(
        application_class=Log, projection_class=DirectoryProjection, view_class=view, env=environment
    ) as runner:
        # It looks at longer and longer intervals, so that the time at which it returns says little.
        runner.wait(upto, timeout=PATIENCE_SECONDS)
        return runner.projection.view.folded_at - begin


class HastyDirectoryView(DirectoryView):
    """The same without waiting for the disk."""

    durable = False


def _prepare(conninfo: str) -> None:
    table = DirectoryView.table
    with psycopg.connect(conninfo, autocommit=True) as connection:
        table.drop(connection)
        table.create(connection)
        table.create_indexes(connection)
        app = sql.Identifier(roles_of(connection)[APP_ROLE])
        connection.execute(sql.SQL("GRANT ALL ON {} TO {}").format(table.name, app))
        connection.execute("DELETE FROM library.tracking")
