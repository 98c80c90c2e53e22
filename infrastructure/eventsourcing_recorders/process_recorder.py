"""Records the events of an application that follows another, together with how far it has followed."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from eventsourcing.persistence import ProcessRecorder, StoredEvent, Tracking

from infrastructure.eventsourcing_recorders.log_recorders import LogApplicationRecorder, positions
from infrastructure.eventsourcing_recorders.streams import as_columns, refuse_versions_out_of_order
from infrastructure.eventsourcing_recorders.tracking import LogTrackingRecorder, been_there

_APPEND_TRACKED = """
SELECT outcome, "position" FROM library.append_tracked(
    %s, %s, %s, %s, %s, %s::uuid[], %s::integer[], %s::text[], %s::bytea[])
"""


class LogProcessRecorder(LogTrackingRecorder, LogApplicationRecorder, ProcessRecorder):
    """Appends events and records progress in one statement, so that no client can hold the log up between the two."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_: Any
    ) -> Sequence[int] | None:
        """Both or neither. Raises `IntegrityError` as the recorders of either do."""
        if tracking is None:
            return self._append(stored_events)
        if not stored_events:
            self.insert_tracking(tracking)
            return []
        return self._append_tracked(stored_events, tracking)

    def _append_tracked(self, stored_events: Sequence[StoredEvent], tracking: Tracking) -> list[int]:
        refuse_versions_out_of_order(stored_events)
        progress = (self.name, tracking.application_name, tracking.notification_id)
        outcome, last = self._send(_APPEND_TRACKED, (*progress, uuid4(), self.name, *as_columns(stored_events)))
        if outcome == "tracked":
            raise been_there(tracking)
        return positions(outcome, last, len(stored_events))
