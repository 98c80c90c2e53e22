"""Reads streams from the log; loads that are asked for in the same tick become one query (data-loader pattern)."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from application.unreadable import HistoryUnreadableError
from domain.kernel import AggregateEvent
from infrastructure.encryption.key_cache import Row, SubjectKeys
from infrastructure.encryption.personal_topics import SUBJECTS_ELSEWHERE
from infrastructure.encryption.sealed_form import subject_in
from infrastructure.log.event_codec import decode
from infrastructure.log.stored_events import readable_form
from infrastructure.postgres.binary_arrays import binary_array

PIECE = 500
"""Events that are read and folded at a time, in some milliseconds; then others get their turn."""

# A key is looked up once, with the first of the events, and not at all where there are none.
_LOAD = """
SELECT wanted.ordinality, head."position",
       k.subject_id, k.wrapped, k.master_id, e.topic, e.state, e.version, e.recorded_at
FROM log.tip head,
     unnest(%s::uuid[], %s::integer[]) WITH ORDINALITY AS wanted (stream_id, version, ordinality)
     LEFT JOIN LATERAL (
         SELECT topic, state, version, recorded_at FROM log.event e
         WHERE e.stream_id = wanted.stream_id AND e.version > wanted.version
         ORDER BY e.version LIMIT %s
     ) e ON true
     LEFT JOIN keys.subject_key k ON k.subject_id = CASE e.version WHEN wanted.version + 1 THEN wanted.stream_id END
ORDER BY wanted.ordinality, e.version
"""


class StreamTail(msgspec.Struct, frozen=True):
    """The events of one stream after a version, and the position of the log's head when they were read."""

    events: Sequence[AggregateEvent]
    head: int

    @property
    def may_go_on(self) -> bool:
        """Whether there may be more of it."""
        return len(self.events) == PIECE


class StreamLoader:
    """Loads streams, many at a time."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], keys: SubjectKeys) -> None:
        self.pool = pool
        self._keys = keys
        self._wanted: list[tuple[UUID, int, asyncio.Future[StreamTail]]] = []
        self._queries: set[asyncio.Task[None]] = set()

    async def load(self, stream_id: UUID, after_version: int = 0) -> StreamTail:
        """What the stream recorded after a version, as of now: the first `PIECE` events of it.

        Raises `HistoryUnreadableError`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[StreamTail] = loop.create_future()
        if not self._wanted:
            loop.call_soon(self._start_query)
        self._wanted.append((stream_id, after_version, future))
        return await future

    def _start_query(self) -> None:
        wanted, self._wanted = self._wanted, []
        query = asyncio.create_task(self._query(wanted))
        self._queries.add(query)
        query.add_done_callback(self._queries.discard)

    async def _query(self, wanted: list[tuple[UUID, int, asyncio.Future[StreamTail]]]) -> None:
        try:
            tails = await self._fetch([(stream_id, after) for stream_id, after, _ in wanted])
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait for the result
            for _, _, future in wanted:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, _, future), tail in zip(wanted, tails, strict=True):
            if future.done():
                continue
            if isinstance(tail, StreamTail):
                future.set_result(tail)
            else:
                future.set_exception(tail)

    async def _fetch(self, wanted: list[tuple[UUID, int]]) -> "list[StreamTail | HistoryUnreadableError]":
        async with self.pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            ids, versions = zip(*wanted, strict=True)
            parameters = (binary_array("uuid", ids), binary_array("integer", versions), PIECE)
            await cursor.execute(_LOAD, parameters, prepare=True)
            return await self._tails([stream_id for stream_id, _ in wanted], cursor)

    async def _tails(
        self, ids: Sequence[UUID], cursor: psycopg.AsyncCursor[TupleRow]
    ) -> "list[StreamTail | HistoryUnreadableError]":
        """What was found, opened; for each stream by itself, because its neighbours are other people's.

        Many long streams at a time keep nobody else waiting either.
        """
        ciphers = dict[UUID, AESGCM | None]()
        events: list[list[AggregateEvent]] = [[] for _ in ids]
        unreadable: dict[int, HistoryUnreadableError] = {}
        head = 0
        while rows := await cursor.fetchmany(PIECE):
            # Keys come from the same snapshot as the events, so nobody who was erased is ever read with an old key.
            keys: dict[UUID, Row] = {row[2]: row[2:5] for row in rows if row[2] is not None}
            ciphers.update(await self._keys.opened(keys.values()))
            if SUBJECTS_ELSEWHERE:
                named = {subject_in(row[6], ids[row[0] - 1]) for row in rows if row[5] in SUBJECTS_ELSEWHERE}
                ciphers.update(await self._keys.ciphers_on(cursor.connection, named - ciphers.keys()))
            for ordinal, head, _, _, _, topic, state, version, recorded_at in rows:  # noqa: B007
                if topic is not None:
                    stream_id = ids[ordinal - 1]
                    try:
                        readable = readable_form(topic, state, stream_id, version, ciphers)
                        events[ordinal - 1].append(decode(topic, readable, stream_id, version, recorded_at))
                    except Exception as error:  # noqa: BLE001 - whatever is wrong with one stream is not wrong with others
                        kind = type(error).__name__
                        unreadable.setdefault(ordinal - 1, HistoryUnreadableError(stream_id, version, kind))
            if len(rows) < PIECE:
                break
            await asyncio.sleep(0)
        return [unreadable.get(number) or StreamTail(found, head) for number, found in enumerate(events)]
