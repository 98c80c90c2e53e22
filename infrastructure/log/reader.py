"""Reads the log in the order of its positions, in bulk.

Because positions have no gaps and become visible in their order, a range of positions is all it takes: no cursor is
held open, nothing is missed, and a reader that looks for few topics still moves on past all the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, zip_longest
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from application.recorded import Recorded
from application.unreadable import UnreadableEvent
from domain.kernel import AggregateEvent
from infrastructure.encryption.personal_topics import PERSONAL_TOPICS, SUBJECTS_ELSEWHERE
from infrastructure.encryption.reasons import open_reasons
from infrastructure.encryption.subject_keys import known_ciphers, load_ciphers
from infrastructure.garbage_collection import collection_paused
from infrastructure.log.event_codec import FORMS, UndecodableEventError, UnknownTopicError
from infrastructure.log.read_ahead import ReadAhead
from infrastructure.log.stored_events import open_row, open_rows, subjects_elsewhere

Connection = psycopg.Connection[TupleRow]

CHUNK = 10_000
"""Positions fetched at a time: some megabytes. To wait for the database, with others in line, takes its time."""
PIECE = 1_000
"""Events decoded at a time, few enough for the processor's cache; with 10,000, reading takes half as long again."""

_HEAD = """SELECT "position", CASE WHEN isfinite(recorded_at) THEN recorded_at END FROM log.tip"""
_FACT = 'e.topic, e.state, e.stream_id, e.version, e.recorded_at, e."position"'
_METADATA = "e.actor, e.on_behalf_of, e.client, e.reason, e.command_id, e.correlation_id, e.causation_id, e.trace_id"
_METADATA_WITHOUT_REASON = _METADATA.replace("e.reason", "NULL::text")
_RANGE = """
SELECT {columns} FROM log.event e
WHERE e."position" > $1::bigint AND e."position" <= $2::bigint AND {of_topics} AND {condition}
ORDER BY e."position"
"""
_KEYS = """
SELECT k.subject_id, k.wrapped, k.master_id FROM keys.subject_key k WHERE k.subject_id IN (
    SELECT e.stream_id FROM log.event e
    WHERE e."position" > $1::bigint AND e."position" <= $2::bigint AND e.topic = ANY ({topics}) AND {condition})
"""
_STREAMS = """
SELECT {columns} FROM log.event e
WHERE e.stream_id = ANY (%(streams)s) AND e."position" <= %(upto)s AND {of_topics}
ORDER BY e."position"
"""
STREAM_ID, POSITION = 2, 5
"""Which columns of a row of the log they are."""
_STATED, _REASON, _COMMAND_ID = 6, 9, 10
# The last octet of an id is random in version 7 and part of a keyed hash in version 8.
_OCTET = "get_byte(uuid_send(e.stream_id), 15)"

Octets = tuple[tuple[int, int], ...]
"""Some streams, by the last octet of their ids: ranges from 0 to 255, both ends included."""
ALL_OCTETS: Octets = ((0, 255),)


class PoisonEventError(Exception):
    """An event that cannot be read or folded. Names the position and the kind of error, and no data."""

    def __init__(self, position: int, error: Exception) -> None:
        self.position = position
        self.kind = type(error).__name__
        super().__init__(f"position {position}: {self.kind}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Comes from one process to another without the error, which may hold data."""
        return Exception.__new__, (type(self), *self.args), vars(self)


class Head(msgspec.Struct, frozen=True):
    """The last position that was given out, and its instant."""

    position: int
    recorded_at: datetime | None


def read_head(connection: Connection) -> Head:
    """Where the log ends now; the instant is None as long as the log is empty."""
    row = connection.cursor(binary=True).execute(_HEAD).fetchone()
    assert row is not None  # noqa: S101 - migration 0001 puts the row there and nobody may delete it
    return Head(*row)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a reader wants, and which parts of them."""

    topics: Sequence[str]
    metadata: bool = True
    """Whether to read the metadata, too; it costs about as much as the events themselves."""
    personal: frozenset[str] | None = None
    """The topics whose personal fields are read, None for all; in others they come as `SEALED`, at no cost. Reasons are
    personal, too, and are read with all."""
    octets: Octets = ALL_OCTETS
    """Only of these streams."""
    unreadable: bool = False
    """Whether events of topics that this release does not know are wanted, too. These, and those that cannot be read,
    come as `UnreadableEvent`, and nothing is poison."""
    without_streams: frozenset[UUID] = frozenset()
    without_positions: frozenset[int] = frozenset()
    """What to leave out; it is not even decoded."""


def read_range(connection: Connection, after: int, upto: int, wanted: Wanted) -> list[Recorded[Any]]:
    """The wanted events in (after, upto], in order. Raises `PoisonEventError`."""
    return wanted_facts(fetch_range(connection, after, upto, wanted), wanted)


def read_pieces(
    connection: Connection, after: int, upto: int, wanted: Wanted, chunk: int = CHUNK
) -> Iterator[tuple[int, list[Recorded[Any]]]]:
    """The same in pieces, each with the position that has been reached with it.

    While one chunk is worked on, the next one is fetched, so the connection must not be used for anything else.
    """
    if after >= upto:
        return
    reader = _RangeReader(connection, wanted)
    ends = [*range(after + chunk, upto, chunk), upto]
    with ReadAhead() as ahead:
        fetching = ahead.begin(reader.fetch, after, ends[0])
        for end, following in zip_longest(ends, ends[1:]):
            fetched = fetching.result()
            if following:
                fetching = ahead.begin(reader.fetch, end, following)
            for facts in reader.facts(fetched):
                yield facts[-1].position, facts
            yield end, []


def fetch_range(connection: Connection, after: int, upto: int, wanted: Wanted) -> list[TupleRow]:
    """The rows of the wanted events in (after, upto]."""
    reader = _RangeReader(connection, wanted)
    return reader.rows(reader.fetch(after, upto))


class Fetched(NamedTuple):
    """Events as the database sends them, and the keys that unseal them."""

    facts: PGresult
    keys: PGresult | None


class RowReader:
    """Fetches events in two steps; the first one releases Python to other threads.

    The driver's cursors return to Python for each buffer that arrives, and would wait for the thread that processes
    the previous piece.
    """

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        self._connection = connection
        self._wanted = wanted
        self.columns = _columns(wanted)
        self.of_topics = _of_topics(connection, wanted)
        self.personal = _personal_topics(wanted)
        self._elsewhere = self.personal & SUBJECTS_ELSEWHERE

    def run(self, query: bytes, parameters: Sequence[bytes | None] = (), form: Format = Format.TEXT) -> PGresult:
        """What the database sends, binary. Raises what the database raises."""
        with self._connection.lock:
            result = self._connection.pgconn.exec_params(
                query, parameters, param_formats=[form] * len(parameters), result_format=Format.BINARY
            )
        if self._connection.pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection was lost while the log was read")
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.errors.error_from_result(result)
        return result

    def facts(self, fetched: Fetched) -> Iterator[list[Recorded[Any]]]:
        """The fetched events, unsealed where wanted; no piece is empty. Raises `PoisonEventError`."""
        pieces = self._pieces(fetched)
        while True:
            with collection_paused():
                rows = next(pieces, None)
                if rows is None:
                    return
                facts = wanted_facts(rows, self._wanted)
            if facts:
                yield facts

    def rows(self, fetched: Fetched) -> list[TupleRow]:
        """The same as rows, all of it."""
        return list(chain.from_iterable(self._pieces(fetched)))

    def _pieces(self, fetched: Fetched) -> Iterator[list[TupleRow]]:
        ciphers = None if fetched.keys is None else known_ciphers(self._connection, self._loaded(fetched.keys))
        count = fetched.facts.ntuples
        for begin in range(0, count, PIECE):
            rows = _left(self._loaded(fetched.facts, begin, min(begin + PIECE, count)), self._wanted)
            if ciphers is not None:
                named = subjects_elsewhere(rows, self._elsewhere) if self._elsewhere else set()
                ciphers = {**ciphers, **load_ciphers(self._connection, named - ciphers.keys())} if named else ciphers
                rows = [open_row(row, ciphers) if row[0] in self.personal else row for row in rows]
            yield _with_reasons(self._connection, rows, self._wanted)

    def _loaded(self, result: PGresult, begin: int = 0, end: int | None = None) -> list[TupleRow]:
        transformer = Transformer(self._connection)
        transformer.set_pgresult(result)
        return transformer.load_rows(begin, result.ntuples if end is None else end, tuple)


class _RangeReader(RowReader):
    """Fetches ranges of positions."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        super().__init__(connection, wanted)
        condition = _of_streams(wanted)
        self._query = _RANGE.format(columns=self.columns, of_topics=self.of_topics, condition=condition).encode()
        self._keys_query = _KEYS.format(topics=_literal(connection, self.personal), condition=condition).encode()

    def fetch(self, after: int, upto: int) -> Fetched:
        """The range as the database sends it, and the keys that open it. Raises what the database raises."""
        bounds = [b"%d" % after, b"%d" % upto]
        facts = self.run(self._query, bounds)
        # Looked up after the facts, so nobody who was erased by then is read with an old key.
        return Fetched(facts, self.run(self._keys_query, bounds) if self.personal else None)


def _of_streams(wanted: Wanted) -> str:
    if wanted.octets == ALL_OCTETS:
        return "true"
    return "(" + " OR ".join(f"{_OCTET} BETWEEN {first:d} AND {last:d}" for first, last in wanted.octets) + ")"


def fetch_streams(connection: Connection, streams: Sequence[UUID], upto: int, wanted: Wanted) -> list[TupleRow]:
    """The rows of wanted events of some streams up to a position, in order."""
    cursor = connection.cursor(binary=True)
    statement = _STREAMS.format(columns=_columns(wanted), of_topics=_of_topics(connection, wanted))
    cursor.execute(statement.encode(), {"streams": streams, "upto": upto})
    return _opened(connection, _left(cursor.fetchall(), wanted), wanted)


def open_facts(connection: Connection, rows: list[TupleRow]) -> list[TupleRow]:
    """Rows as `facts_from` takes them, with metadata, as they are stored; with everything personal opened."""
    return open_reasons(connection, open_rows(connection, rows, PERSONAL_TOPICS), _REASON, _COMMAND_ID)


def _opened(connection: Connection, rows: list[TupleRow], wanted: Wanted) -> list[TupleRow]:
    return _with_reasons(connection, open_rows(connection, rows, _personal_topics(wanted)), wanted)


def _with_reasons(connection: Connection, rows: list[TupleRow], wanted: Wanted) -> list[TupleRow]:
    if not wanted.metadata or wanted.personal is not None:
        return rows
    return open_reasons(connection, rows, _REASON, _COMMAND_ID)


def _personal_topics(wanted: Wanted) -> frozenset[str]:
    """The topics of which something is to be opened."""
    topics = PERSONAL_TOPICS if wanted.personal is None else wanted.personal
    return topics.intersection(wanted.topics)


def _of_topics(connection: Connection, wanted: Wanted) -> str:
    """The condition that an event is of a wanted topic."""
    # PostgreSQL hashes the list of topics only if it sees it when planning.
    if wanted.unreadable:
        return f"e.topic <> ALL ({_literal(connection, FORMS.keys() - set(wanted.topics))})"
    return f"e.topic = ANY ({_literal(connection, wanted.topics)})"


def _literal(connection: Connection, topics: Iterable[str]) -> str:
    """A list of topics, for a statement."""
    return sql.Literal(sorted(topics)).as_string(connection) + "::text[]"


def _columns(wanted: Wanted) -> str:
    if not wanted.metadata:
        return _FACT
    return f"{_FACT}, {_METADATA if wanted.personal is None else _METADATA_WITHOUT_REASON}"


def _left(rows: list[TupleRow], wanted: Wanted) -> list[TupleRow]:
    """Without what is to be left out: nearly always all of them."""
    if not wanted.without_streams and not wanted.without_positions:
        return rows
    return [
        row
        for row in rows
        if row[STREAM_ID] not in wanted.without_streams and row[POSITION] not in wanted.without_positions
    ]


def wanted_facts(rows: Sequence[TupleRow], wanted: Wanted) -> list[Recorded[Any]]:
    """Rows of the log as a reader wants them. Raises `PoisonEventError`, unless unreadable events are wanted."""
    try:
        return facts_from(rows)
    except PoisonEventError:
        if not wanted.unreadable:
            raise
    return [_fact_or_stand_in(row) for row in rows]


def _fact_or_stand_in(row: TupleRow) -> Recorded[Any]:
    try:
        return facts_from([row])[0]
    except PoisonEventError:
        topic, _, stream_id, version, at, position, *metadata = row
        event = UnreadableEvent(originator_id=stream_id, originator_version=version, timestamp=at)
        return Recorded(event, topic, position, at, *metadata)


def facts_from(rows: Sequence[TupleRow]) -> list[Recorded[Any]]:
    """Rows of the log as events. Raises `PoisonEventError` at the first that this program cannot read."""
    # Columns named one by one: gathered and handed on as a list, they would cost as much as the rest.
    if rows and len(rows[0]) == _STATED:
        return _stated_facts(rows)
    return [
        Recorded(
            _event(topic, state, stream_id, version, at, position),
            topic,
            position,
            at,
            actor,
            on_behalf_of,
            client,
            reason,
            command_id,
            correlation_id,
            causation_id,
            trace_id,
        )
        for (
            topic,
            state,
            stream_id,
            version,
            at,
            position,
            actor,
            on_behalf_of,
            client,
            reason,
            command_id,
            correlation_id,
            causation_id,
            trace_id,
        ) in rows
    ]


def _stated_facts(rows: Sequence[TupleRow]) -> list[Recorded[Any]]:
    """Facts without metadata, which read models are rebuilt from."""
    try:
        return [
            Recorded(FORMS[topic].decode(state, stream_id, version, at), topic, position, at)
            for topic, state, stream_id, version, at, position in rows
        ]
    except (UndecodableEventError, KeyError):
        for topic, state, stream_id, version, at, position in rows:
            _event(topic, state, stream_id, version, at, position)  # Raises at the first, and names it.
        raise


def _event(topic: str, state: bytes, stream_id: UUID, version: int, at: datetime, position: int) -> AggregateEvent:
    try:
        return FORMS[topic].decode(state, stream_id, version, at)
    except UndecodableEventError as error:
        raise PoisonEventError(position, error) from None
    except KeyError:
        raise PoisonEventError(position, UnknownTopicError(topic)) from None
