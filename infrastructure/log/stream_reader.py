"""Reads the log stream by stream, in bulk: whoever folds it needs no more in memory than the stream at hand.

In the order of positions, the facts of one stream lie far apart in a long log. The database brings them together: it
reads its pages in the order in which they lie, and sorts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.pq import Format

from application.recorded import Recorded
from infrastructure.log.read_ahead import ReadAhead
from infrastructure.log.reader import CHUNK, STREAM_ID, Connection, Fetched, RowReader, Wanted


class Streams(NamedTuple):
    """A range of streams, by their ids; both ends are included."""

    first: UUID
    last: UUID


ALL_STREAMS = Streams(UUID(int=0), UUID(int=(1 << 128) - 1))

_DECLARE = """
DECLARE facts NO SCROLL CURSOR WITH HOLD FOR SELECT {columns} FROM log.event e
WHERE e.stream_id BETWEEN {first} AND {last} AND e."position" <= {upto} AND {of_topics}
ORDER BY e.stream_id, e.version
"""
_FETCH = b"FETCH FORWARD %d FROM facts"
_KEYS = b"""
SELECT k.subject_id, k.wrapped, k.master_id FROM keys.subject_key k WHERE k.subject_id BETWEEN $1::uuid AND $2::uuid
"""


def read_streams(
    connection: Connection, streams: Streams, upto: int, wanted: Wanted, chunk: int = CHUNK
) -> Iterator[list[Recorded[Any]]]:
    """The wanted facts of some streams up to a position: stream after stream, each in order, in pieces; none is empty.

    While one chunk is worked on, the next one is fetched, so the connection must not be used for anything else. Raises
    `PoisonEventError`.
    """
    reader = _StreamReader(connection, wanted)
    with reader.sorted(streams, upto), ReadAhead() as ahead:
        fetching = ahead.begin(reader.fetch, chunk)
        while (fetched := fetching.result()).facts.ntuples:
            fetching = ahead.begin(reader.fetch, chunk)
            yield from reader.facts(fetched)


class _StreamReader(RowReader):
    """Fetches streams in pieces."""

    @contextmanager
    def sorted(self, streams: Streams, upto: int) -> Iterator[None]:
        """Have the facts sorted. They are kept apart: no transaction need last until they are worked through."""
        with self._connection.transaction():
            self._declare(streams, upto)
        try:
            yield
        finally:
            if not self._connection.broken:
                self.run(b"CLOSE facts")

    def _declare(self, streams: Streams, upto: int) -> None:
        # Following the index would be to look each fact up on a page of its own; the planner thinks better of it than
        # it deserves. And all rows are wanted, not the first few soon.
        self.run(b"SET LOCAL enable_indexscan = off")
        self.run(b"SET LOCAL cursor_tuple_fraction = 1")
        self.run(b"SET LOCAL work_mem = '256MB'")
        first, last = (f"'{stream}'::uuid" for stream in streams)
        declare = _DECLARE.format(
            columns=self.columns, of_topics=self.of_topics, first=first, last=last, upto=int(upto)
        )
        self.run(declare.encode())

    def fetch(self, count: int) -> Fetched:
        """The next facts as the database sends them, and the keys that open them. Raises what the database raises."""
        facts = self.run(_FETCH % count)
        if not facts.ntuples or not self.personal:
            return Fetched(facts, None)
        # Looked up after the facts, so nobody who was erased by then is read with an old key.
        ends = [facts.get_value(row, STREAM_ID) for row in (0, facts.ntuples - 1)]
        return Fetched(facts, self.run(_KEYS, ends, Format.BINARY))
