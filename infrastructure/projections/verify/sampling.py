"""Checks a few rows of every read model now and then, for as long as a worker runs."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from infrastructure.log.reader import Connection
from infrastructure.projections.follow.dead_letters import offer_letter
from infrastructure.projections.generations import live_generation
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.verifications import note_verification
from infrastructure.projections.verify.verifying import check_sample

EVERY_SECONDS = 60.0
SAMPLE = 100
"""Rows of each model: some milliseconds of the database's time."""

log = structlog.get_logger(__name__)


def checking() -> Callable[[Connection], bool]:
    """The work of a thread: checks all models when it begins, and again each `EVERY_SECONDS`."""
    due = 0.0

    def check(connection: Connection) -> bool:
        nonlocal due
        if time.monotonic() < due:
            return False
        due = time.monotonic() + EVERY_SECONDS
        for projection in READ_MODELS.values():
            check_some(connection, projection)
        return False

    return check


def check_some(connection: Connection, projection: Projection[Any], sample: int = SAMPLE) -> None:
    """Check a sample of a model's live rows, and record the result."""
    live = live_generation(connection, projection.name)
    if live is None or live.version != projection.version or live.position == 0:
        return
    found = check_sample(connection, projection, ModelTable(projection, live.generation), sample)
    note_verification(connection, projection, live.generation, found, complete=False)
    for poison in found.unreadable:
        log.error("projection.unreadable", projection=projection.name, position=poison.position, error=poison.kind)
        offer_letter(connection, projection.name, poison)
    if found.differing:
        log.error("projection.rows_differ", projection=projection.name, rows=found.rows, differing=found.differing)
