"""Records events in the log, and reads them as notifications: their positions are the notification ids."""

from collections.abc import Sequence
from typing import Any, ClassVar, LiteralString
from uuid import uuid4

from eventsourcing.persistence import ApplicationRecorder, IntegrityError, Notification, StoredEvent
from psycopg.sql import Identifier

from infrastructure.eventsourcing_recorders.datastore import Datastore, repeated_after_connection_loss
from infrastructure.eventsourcing_recorders.hints import AppendHints
from infrastructure.eventsourcing_recorders.streams import StreamRecorder, as_columns, refuse_versions_out_of_order
from infrastructure.eventsourcing_recorders.subscription import LogSubscription

_APPEND = """
SELECT outcome, "position" FROM library.append(%s, %s, %s::uuid[], %s::integer[], %s::text[], %s::bytea[])
"""
_SELECT_NOTIFICATIONS = """
SELECT stream_id, version, topic, state, "position" FROM log.event
WHERE "position" >= %s AND "position" <= %s
ORDER BY "position" LIMIT %s
"""
_SELECT_NOTIFICATIONS_OF_TOPICS = """
SELECT stream_id, version, topic, state, "position" FROM log.event
WHERE "position" >= %s AND "position" <= %s AND topic = ANY (%s)
ORDER BY "position" LIMIT %s
"""
_LAST_POSSIBLE_POSITION = 2**63 - 1


class LogAggregateRecorder(StreamRecorder):
    """Records events in the log, and reads the streams of it."""

    table: ClassVar[Identifier] = Identifier("log", "event")

    def __init__(self, datastore: Datastore, name: str) -> None:
        super().__init__(datastore, name)
        self._hints = AppendHints()

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append all of them or none. Raises `IntegrityError` if they do not continue their streams."""
        self._append(stored_events)
        return None

    def _append(self, stored_events: Sequence[StoredEvent]) -> list[int]:
        """Append, and return the positions."""
        if not stored_events:
            return []
        refuse_versions_out_of_order(stored_events)
        # The same id at each attempt lets the log recognise what it recorded before its answer was lost.
        outcome, last = self._send(_APPEND, (uuid4(), self.name, *as_columns(stored_events)))
        return positions(outcome, last, len(stored_events))

    @repeated_after_connection_loss
    def _send(self, statement: LiteralString, parameters: Sequence[Any]) -> tuple[str, int | None]:
        with self.datastore.connection() as connection:
            cursor = connection.execute(statement, parameters, prepare=True, binary=True)
            outcome, last = cursor.fetchone() or ("", None)
            if outcome == "appended":
                self._hints.send(connection)
            return outcome, last


def positions(outcome: str, last: int | None, count: int) -> list[int]:
    """The positions that an append answered with. Raises `IntegrityError` if it was refused."""
    if last is None or outcome not in ("appended", "recorded"):
        raise IntegrityError(f"Nothing was recorded: {outcome}.")
    return list(range(last - count + 1, last + 1))


class LogApplicationRecorder(LogAggregateRecorder, ApplicationRecorder):
    """Records events in the log, and follows it."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """As of `LogAggregateRecorder`, and returns the positions."""
        return self._append(stored_events)

    @repeated_after_connection_loss
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The events from position `start` on, or after it, and up to `stop`, in the log's order."""
        first = 0 if start is None else start if inclusive_of_start else start + 1
        last = _LAST_POSSIBLE_POSITION if stop is None else stop
        statement = _SELECT_NOTIFICATIONS_OF_TOPICS if topics else _SELECT_NOTIFICATIONS
        parameters = (first, last, list(topics), limit) if topics else (first, last, limit)
        with self.datastore.connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(statement, parameters, prepare=True)
            return [Notification(*row) for row in cursor]

    @repeated_after_connection_loss
    def max_notification_id(self) -> int | None:
        """The last position given out, `None` while the log is empty."""
        with self.datastore.connection() as connection:
            row = connection.execute('SELECT nullif("position", 0) FROM log.tip').fetchone()
            return row[0] if row else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Follow the log after position `gt`, to be used in a `with` statement."""
        return LogSubscription(self, self.datastore.conninfo, gt=gt, topics=topics)
