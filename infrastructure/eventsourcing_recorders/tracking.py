"""Keeps how far followers have got, together with what they made of it."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import IntegrityError, Tracking, TrackingRecorder

from infrastructure.eventsourcing_recorders.datastore import DatastoreRecorder, repeated_after_connection_loss

_ADVANCE = """
INSERT INTO library.tracking AS t (follower, application_name, notification_id, write_id) VALUES (%s, %s, %s, %s)
ON CONFLICT (follower, application_name) DO UPDATE
SET notification_id = excluded.notification_id, write_id = excluded.write_id
WHERE t.notification_id IS NULL OR t.notification_id < excluded.notification_id OR t.write_id = excluded.write_id
"""
_SELECT = "SELECT notification_id FROM library.tracking WHERE follower = %s AND application_name = %s"


class LogTrackingRecorder(DatastoreRecorder, TrackingRecorder):
    """Records progress. Views derive from it, and call `advance` in the transaction that changes their own tables."""

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record progress alone. Raises `IntegrityError` if the follower has been there before."""
        self._insert_tracking(tracking, uuid4())

    @repeated_after_connection_loss
    def _insert_tracking(self, tracking: Tracking, write_id: UUID) -> None:
        with self.datastore.transaction() as cursor:
            self.advance(cursor, tracking, write_id)

    def advance(self, cursor: psycopg.Cursor[Any], tracking: Tracking, write_id: UUID | None = None) -> None:
        """Record progress in the cursor's transaction. Raises `IntegrityError` if the follower has been there before.

        A write repeated under the same id, because its answer was lost, is not a second visit.
        """
        values = (self.name, tracking.application_name, tracking.notification_id, write_id)
        if not cursor.execute(_ADVANCE, values, prepare=True).rowcount:
            raise been_there(tracking)

    @repeated_after_connection_loss
    def max_tracking_id(self, application_name: str) -> int | None:
        """The last notification processed of an application, `None` if there is none."""
        with self.datastore.connection() as connection:
            row = connection.execute(_SELECT, (self.name, application_name), prepare=True).fetchone()
            return row[0] if row else None


def been_there(tracking: Tracking) -> IntegrityError:
    """What to raise for a notification that is processed for the second time, or after a later one."""
    return IntegrityError(f"{tracking.application_name} {tracking.notification_id} was processed before.")
