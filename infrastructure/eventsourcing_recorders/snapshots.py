"""Stores snapshots of aggregates beside the log: a snapshot is not an event."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, StoredEvent
from psycopg.sql import Identifier

from infrastructure.eventsourcing_recorders.datastore import repeated_after_connection_loss
from infrastructure.eventsourcing_recorders.streams import StreamRecorder, as_columns, refuse_versions_out_of_order

# The update changes nothing; it only counts the rows that an earlier attempt of the same write has stored.
_INSERT = """
INSERT INTO library.snapshot AS s (write_id, stream_id, version, topic, state)
SELECT %s, * FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::bytea[])
ON CONFLICT (stream_id, version) DO UPDATE SET write_id = excluded.write_id WHERE s.write_id = excluded.write_id
"""


class SnapshotRecorder(StreamRecorder):
    """Records snapshots, one for each version of an aggregate at most."""

    table: ClassVar[Identifier] = Identifier("library", "snapshot")

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Store all of them or none. Raises `IntegrityError` if there is one of the same version."""
        if stored_events:
            refuse_versions_out_of_order(stored_events)
            self._insert(uuid4(), stored_events)
        return None

    @repeated_after_connection_loss
    def _insert(self, write_id: UUID, stored_events: Sequence[StoredEvent]) -> None:
        with self.datastore.transaction() as cursor:
            cursor.execute(_INSERT, (write_id, *as_columns(stored_events)), prepare=True)
            if cursor.rowcount < len(stored_events):
                raise IntegrityError("There is a snapshot of this version.")
