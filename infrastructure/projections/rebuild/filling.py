"""Fills the table of a new generation from the log, part by part, each in bounded memory."""

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import psycopg

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from infrastructure.projections.follow.following import add, left_out, wanted_by
from infrastructure.projections.rebuild.filling_crew import Job, fill_in_parallel
from infrastructure.projections.rebuild.folding import OnEvents, fold_part
from infrastructure.projections.rebuild.parts import Part, PartIsFilledError, note_filled
from infrastructure.projections.tables import ModelTable

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
    processes = processes_for(projection, max((part.upto for part in pieces), default=0))
    if processes > 1:
        job = Job(conninfo, projection.name, projection.fingerprint, generation)
        fill_in_parallel(job, _fill_elsewhere, processes, todo, on_events)
        return
    for part in todo:
        with suppress(PartIsFilledError):
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


def _fill_elsewhere(job: Job, part: Part, on_events: OnEvents) -> None:
    """In a process of the crew, which has read the program on disk anew."""
    projection = READ_MODELS[job.name]
    if projection.fingerprint != job.fingerprint:
        raise OtherProgramError
    with suppress(PartIsFilledError):
        fill_part(job.conninfo, projection, job.generation, part, on_events)
