"""Fills the table of a new generation from the log: parts in parallel processes, each in bounded memory.

A model with one row for each stream is folded in shares of the streams; one with a row for each fact in ranges of
positions. Parts do not depend on each other.
"""

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import pairwise
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import msgspec
import psycopg
from msgspec.structs import replace

from application.projections import Projection
from application.read_models import READ_MODELS
from infrastructure.log_reader import ALL_OCTETS, Connection, Octets, read_chunks
from infrastructure.privacy.keychain import grant, granted
from infrastructure.projections.following import add, fold_all, left_out, wanted_by
from infrastructure.projections.tables import ModelTable
from infrastructure.settings import Settings

EVENTS_PER_PART = 2_000_000
"""About how many events a part has: their rows are held in memory, some hundred megabytes."""
PARALLEL_FROM = 100_000
"""Events below which starting processes takes longer than it saves."""

OnEvents = Callable[[int], None]
"""Is told, now and then, how many more positions were read."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the work: some streams, or some positions."""

    after: int
    upto: int
    octets: Octets = ALL_OCTETS


def parts(projection: Projection[Any], upto: int, processes: int) -> list[Part]:
    """The pieces that make up the whole log up to a position."""
    count = min(256, max(processes, -(-upto // EVENTS_PER_PART)))
    if not projection.appends:
        edges = [256 * number // count for number in range(count + 1)]
        return [Part(after=0, upto=upto, octets=((first, end - 1),)) for first, end in pairwise(edges)]
    bounds = [upto * number // count for number in range(count + 1)]
    return [Part(after=after, upto=end) for after, end in pairwise(bounds) if after < end]


def fill(conninfo: str, projection: Projection[Any], generation: int, upto: int, on_events: OnEvents) -> int:
    """Write the rows that all events up to a position come to; returns how many. Raises `PoisonEventError`."""
    processes = os.cpu_count() or 1
    if upto < PARALLEL_FROM or processes == 1 or READ_MODELS.get(projection.name) is not projection:
        pieces = parts(projection, upto, 1)
        read = _Read(on_events, pieces)
        return sum(fill_part(conninfo, projection, generation, part, read.more) for part in pieces)
    return _fill_in_parallel(conninfo, projection, generation, parts(projection, upto, processes), on_events)


def fill_part(conninfo: str, projection: Projection[Any], generation: int, part: Part, on_events: OnEvents) -> int:
    """Write the rows of one part; returns how many."""
    table = ModelTable(projection, generation)
    written = 0
    with psycopg.connect(conninfo, autocommit=True) as reader, psycopg.connect(conninfo, autocommit=True) as writer:
        without = left_out(reader, projection.name, generation)
        wanted = replace(wanted_by(projection, without), octets=part.octets)
        rows: dict[Any, Any] = {}
        reached = part.after
        for end, events in read_chunks(reader, part.after, part.upto, wanted):
            fold_all(projection, rows, events)
            if projection.appends:
                written += _add(writer, table, rows)
                rows.clear()
            on_events(end - reached)
            reached = end
        return written + _add(writer, table, rows)


def _add(connection: Connection, table: ModelTable[Any], rows: dict[Any, Any]) -> int:
    with connection.transaction():
        return add(connection, table, rows.values())


def _fill_in_parallel(
    conninfo: str, projection: Projection[Any], generation: int, pieces: list[Part], on_events: OnEvents
) -> int:
    spawn = multiprocessing.get_context("spawn")
    count = spawn.Value("q", 0)
    read = _Read(on_events, pieces)
    written = 0
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=spawn, initializer=_begin, initargs=(count, os.getpid(), granted())
    ) as workers:
        waiting = {workers.submit(_fill_part_elsewhere, conninfo, projection.name, generation, part) for part in pieces}
        try:
            while waiting:
                for done in _finished(waiting, seconds=0.2):
                    waiting.discard(done)
                    written += done.result()
                read.so_far(count.value)
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            raise
    return written


class _Read:
    """Turns what was read, each position once for each share of the streams, into positions that are done."""

    def __init__(self, on_events: OnEvents, pieces: list[Part]) -> None:
        self._on_events = on_events
        self._times = sum(piece.octets != ALL_OCTETS for piece in pieces) or 1
        self._read = 0

    def more(self, events: int) -> None:
        self.so_far(self._read + events)

    def so_far(self, read: int) -> None:
        done = self._read // self._times
        self._read = read
        self._on_events(read // self._times - done)


def _finished(waiting: set[Any], seconds: float) -> list[Any]:
    try:
        return [next(as_completed(waiting, timeout=seconds))]
    except TimeoutError:
        return []


class _Elsewhere:
    """What a process of the pool knows about the one that started it."""

    read: "Synchronized[int]"
    parent: int


def _begin(read: "Synchronized[int]", parent: int, grants: Sequence[Settings]) -> None:
    for settings in grants:
        grant(settings)
    _Elsewhere.read = read
    _Elsewhere.parent = parent
    # Rows are made by the million and none of them is garbage: looking for it takes a fifth of the time.
    gc.disable()


def _fill_part_elsewhere(conninfo: str, name: str, generation: int, part: Part) -> int:
    def count(events: int) -> None:
        if os.getppid() != _Elsewhere.parent:
            raise SystemExit
        with _Elsewhere.read.get_lock():
            _Elsewhere.read.value += events

    return fill_part(conninfo, READ_MODELS[name], generation, part, count)
