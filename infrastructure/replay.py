"""The log for your own programs: every event, typed, in order, with actor, time and reason (docs/replay.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload
from uuid import UUID

import psycopg

from application.recorded import Recorded
from domain.aggregates import AGGREGATES
from domain.kernel import AggregateEvent
from infrastructure.log.event_codec import FORMS
from infrastructure.log.reader import Connection, Wanted, facts_from, open_facts, read_head, read_pieces
from infrastructure.postgres.connections import as_app
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.settings import Settings, settings_from

A = TypeVar("A", bound=AggregateEvent)
B = TypeVar("B", bound=AggregateEvent)
C = TypeVar("C", bound=AggregateEvent)

# Between event and aggregate there is a class for all events of one aggregate, which stands for all of them.
_OF_KIND: dict[type[AggregateEvent], tuple[str, ...]] = {
    aggregate.Event: tuple(form.topic for form in FORMS.values() if form.topic.startswith(f"{aggregate.TOPIC}."))  # type: ignore[attr-defined]
    for aggregate in AGGREGATES
}
_STREAM = """
SELECT topic, state, stream_id, version, recorded_at, "position",
       actor, on_behalf_of, client, reason, command_id, correlation_id, causation_id, trace_id
FROM log.event
WHERE stream_id = %s AND "position" > %s AND "position" <= %s AND topic = ANY (%s::text[]) ORDER BY version
"""


class Log:
    """The log, for reading. While events are being iterated, the same object cannot answer anything else."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def head(self) -> int:
        """The last position that was given out."""
        return read_head(self._connection).position

    @overload
    def facts(
        self, *, after: int = 0, upto: int | None = None, stream: UUID | None = None
    ) -> Iterator[Recorded[AggregateEvent]]: ...

    @overload
    def facts(
        self, a: type[A], /, *, after: int = 0, upto: int | None = None, stream: UUID | None = None
    ) -> Iterator[Recorded[A]]: ...

    @overload
    def facts(
        self, a: type[A], b: type[B], /, *, after: int = 0, upto: int | None = None, stream: UUID | None = None
    ) -> Iterator[Recorded[A | B]]: ...

    @overload
    def facts(
        self,
        a: type[A],
        b: type[B],
        c: type[C],
        /,
        *,
        after: int = 0,
        upto: int | None = None,
        stream: UUID | None = None,
    ) -> Iterator[Recorded[A | B | C]]: ...

    @overload
    def facts(
        self, *events: type[AggregateEvent], after: int = 0, upto: int | None = None, stream: UUID | None = None
    ) -> Iterator[Recorded[AggregateEvent]]: ...

    def facts(
        self, *events: type[AggregateEvent], after: int = 0, upto: int | None = None, stream: UUID | None = None
    ) -> Iterator[Recorded[Any]]:
        """The events of these types (default: all) in (after, upto], in the order of the log (default: up to the head).

        With a stream, only those of that stream. Raises `PoisonEventError` if an event cannot be read.
        """
        topics = [topic for event in events for topic in _topics(event)] or list(FORMS)
        end = self.head if upto is None else min(upto, self.head)
        if stream is not None:
            rows = self._connection.cursor(binary=True).execute(_STREAM, (stream, after, end, topics)).fetchall()
            yield from facts_from(open_facts(self._connection, rows))
            return
        if after >= end:
            return
        for _, facts in read_pieces(self._connection, after, end, Wanted(topics=topics)):
            yield from facts


@contextmanager
def open_log(settings: Settings | None = None) -> Iterator[Log]:
    """The log that the environment names (docs/operations.md), with no right to change anything.

    The embedded database is started for as long as the context lasts, if nothing else runs it.
    """
    settings = settings or settings_from()
    require_data(settings)
    with (
        migrated_database(settings, Login.API) as conninfo,
        psycopg.connect(as_app(conninfo), autocommit=True) as connection,
    ):
        yield Log(connection)


def _topics(event: type[AggregateEvent]) -> tuple[str, ...]:
    return _OF_KIND.get(event) or (event.TOPIC,)  # type: ignore[attr-defined] # every event of ours has one
