"""Fills the table of a new generation from the log: parts in parallel processes, each in bounded memory."""

import gc
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import chain
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import psycopg

from application.projections import Projection
from application.read_models import READ_MODELS
from infrastructure.privacy.keychain import grant, granted
from infrastructure.projections.folding import OnEvents, fold_part
from infrastructure.projections.following import add, left_out, wanted_by
from infrastructure.projections.parts import Part, note_filled
from infrastructure.projections.tables import ModelTable
from infrastructure.settings import Settings

PARALLEL_FROM = 100_000
"""Events below which starting processes takes longer than it saves."""


class OtherProgramError(Exception):
    """The program on disk has another definition than the one that has begun."""

    def __init__(self, message: str = "the program on disk has another definition by now") -> None:
        super().__init__(message)


def processes_for(projection: Projection[Any], upto: int) -> int:
    """How many processes fill a table from so many events."""
    is_known_elsewhere = READ_MODELS.get(projection.name) is projection
    return (os.cpu_count() or 1) if upto >= PARALLEL_FROM and is_known_elsewhere else 1


def fill(
    conninfo: str, projection: Projection[Any], generation: int, pieces: Sequence[Part], on_events: OnEvents
) -> None:
    """Write the rows of those parts that are not filled yet. Raises `PoisonEventError`."""
    on_events(sum(part.events for part in pieces if part.rows is not None))
    todo = [part for part in pieces if part.rows is None]
    if processes_for(projection, max((part.upto for part in pieces), default=0)) > 1:
        _fill_in_parallel(conninfo, projection, generation, todo, on_events)
        return
    for part in todo:
        fill_part(conninfo, projection, generation, part, on_events)


def fill_part(conninfo: str, projection: Projection[Any], generation: int, part: Part, on_events: OnEvents) -> None:
    """Write the rows of one part and record that it is filled, in one transaction.

    Raises `PartIsFilledError` if it has been filled meanwhile.
    """
    table = ModelTable(projection, generation)
    with psycopg.connect(conninfo, autocommit=True) as reader, psycopg.connect(conninfo, autocommit=True) as writer:
        wanted = wanted_by(projection, left_out(reader, projection.name, generation))
        rows = list(chain.from_iterable(fold_part(reader, projection, part, wanted, on_events)))
        # Kept until here, because as long as a transaction lasts, nothing that was replaced meanwhile is cleared away.
        with writer.transaction():
            note_filled(writer, projection.name, generation, part, add(writer, table, rows))


def _fill_in_parallel(
    conninfo: str, projection: Projection[Any], generation: int, pieces: Sequence[Part], on_events: OnEvents
) -> None:
    spawn = multiprocessing.get_context("spawn")
    count = spawn.Value("q", 0)
    told = 0
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=spawn, initializer=_begin, initargs=(count, os.getpid(), granted())
    ) as workers:
        definition = projection.name, projection.fingerprint
        waiting = {workers.submit(_fill_part_elsewhere, conninfo, definition, generation, part) for part in pieces}
        try:
            while waiting:
                for done in _finished(waiting, seconds=0.2):
                    waiting.discard(done)
                    done.result()
                done_by_now = count.value
                on_events(done_by_now - told)
                told = done_by_now
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            raise


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


def _fill_part_elsewhere(conninfo: str, definition: tuple[str, str], generation: int, part: Part) -> None:
    name, fingerprint = definition
    if READ_MODELS[name].fingerprint != fingerprint:
        raise OtherProgramError

    def count(events: int) -> None:
        if os.getppid() != _Elsewhere.parent:
            raise SystemExit
        with _Elsewhere.read.get_lock():
            _Elsewhere.read.value += events

    fill_part(conninfo, READ_MODELS[name], generation, part, count)
