"""Cleans up after an erasure: deletes the person's data that is stored beside the log and does not follow it.

Live read models forget by folding the event. What remains are generations that are no longer followed, streams held
back by a letter, and mails in the outbox. Then the receipt is marked as swept; if a worker dies before, the next one
does it.
"""

from typing import Any, Protocol
from uuid import UUID

import structlog

from application.projections.definition import Projection, stream_id
from application.read_models import READ_MODELS
from infrastructure.log.reader import Connection
from infrastructure.projections.tables import ModelTable

_NEXT = """
SELECT subject_id FROM keys.erasure x
WHERE swept_at IS NULL AND NOT EXISTS (
    SELECT FROM projection.standing g
    WHERE g.name = ANY (%s) AND g.state = 'live' AND g."position" < x."position")
ORDER BY "position" LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_NOT_FOLLOWED = """
SELECT g.generation FROM projection.generation g
WHERE g.name = %(name)s AND (g.state = 'retired' OR EXISTS (
    SELECT FROM projection.letter l WHERE l.name = g.name AND l.generation = g.generation
    AND l.stream_id = %(subject)s AND l.state = 'open'))
"""
_OF_PEOPLE = [model for model in READ_MODELS.values() if model.holds.readable and model.key is stream_id]
"""Models that hold something personal, in one row for each person."""

log = structlog.get_logger(__name__)


class Outbox(Protocol):
    """Keeps mails, and can throw away those to one user."""

    def forget(self, user_id: UUID, /) -> None:
        """Throw away every mail to a user."""
        ...


class Sweeping:
    """The work of a thread."""

    def __init__(self, outbox: Outbox | None) -> None:
        self._outbox = outbox

    def sweep_next(self, connection: Connection) -> bool:
        """Sweep up after one erasure that all live read models have folded; false if there is none."""
        with connection.transaction():
            row = connection.execute(_NEXT, ([model.name for model in _OF_PEOPLE],), prepare=True).fetchone()
            if row is None:
                return False
            self._sweep(connection, row[0])
            connection.execute("UPDATE keys.erasure SET swept_at = clock_timestamp() WHERE subject_id = %s", row)
        log.info("erasure.swept", user=str(row[0]))
        return True

    def _sweep(self, connection: Connection, user_id: UUID) -> None:
        for model in _OF_PEOPLE:
            _forget_in(connection, model, user_id)
        if self._outbox is not None:
            self._outbox.forget(user_id)


def _forget_in(connection: Connection, model: Projection[Any], user_id: UUID) -> None:
    rows = connection.execute(_NOT_FOLLOWED, {"name": model.name, "subject": user_id}).fetchall()
    for (generation,) in rows:
        ModelTable(model, generation).remove(connection, [user_id])
