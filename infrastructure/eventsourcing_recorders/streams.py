"""What the recorders of events and of snapshots have in common: numbered items in streams, in a table of their own."""

from abc import ABC
from collections.abc import Iterable, Sequence
from typing import ClassVar
from uuid import UUID

from eventsourcing.persistence import AggregateRecorder, IntegrityError, StoredEvent
from psycopg.sql import SQL, Identifier

from infrastructure.eventsourcing_recorders.datastore import DatastoreRecorder, repeated_after_connection_loss

_SELECT = """
SELECT stream_id, version, topic, state FROM {table}
WHERE stream_id = %s::uuid AND version > %s AND version <= %s
ORDER BY version {direction} LIMIT %s
"""
_BEFORE_ANY_VERSION = -1
_AFTER_ANY_VERSION = 2**31


class StreamRecorder(DatastoreRecorder, AggregateRecorder, ABC):
    """Reads streams from a table; a kind of recorder adds how they are written."""

    table: ClassVar[Identifier]

    @repeated_after_connection_loss
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[StoredEvent]:
        """One stream, or the part of it after version `gt` and up to version `lte`."""
        statement = SQL(_SELECT).format(table=self.table, direction=SQL("DESC" if desc else "ASC"))
        after = _BEFORE_ANY_VERSION if gt is None else gt
        up_to = _AFTER_ANY_VERSION if lte is None else lte
        with self.datastore.connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(statement, (originator_id, after, up_to, limit), prepare=True)
            return [StoredEvent(*row) for row in cursor]


Columns = tuple[list[UUID | str], list[int], list[str], list[bytes]]


def as_columns(stored_events: Sequence[StoredEvent]) -> Columns:
    """The same events as four columns of equal length: ids, versions, topics, states."""
    return (
        [event.originator_id for event in stored_events],
        [event.originator_version for event in stored_events],
        [event.topic for event in stored_events],
        [event.state for event in stored_events],
    )


def refuse_versions_out_of_order(stored_events: Iterable[StoredEvent]) -> None:
    """Raise `IntegrityError` if two events in one call claim the same place in a stream, or are not in its order."""
    last_versions: dict[UUID | str, int] = {}
    for event in stored_events:
        if event.originator_version <= last_versions.get(event.originator_id, _BEFORE_ANY_VERSION):
            raise IntegrityError(
                f"Version {event.originator_version} of {event.originator_id} comes twice or too late."
            )
        last_versions[event.originator_id] = event.originator_version
