"""Brings a read model to the head of the log before it is queried, in case no worker is running."""

import time
from typing import Any

import psycopg

from application.projections.definition import Projection
from infrastructure.log.reader import read_head
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.partitions import FencedOffError

PAUSE_SECONDS = 0.02
"""How often to check on a model that a worker follows."""


def catch_up(conninfo: str, projection: Projection[Any]) -> None:
    """Wait until every event of the log is folded, by this process or a worker. Raises `PoisonEventError`."""
    with psycopg.connect(as_projector(conninfo), autocommit=True) as connection:
        head = read_head(connection).position
        while (live := ensure_live(connection, projection)).position < head:
            try:
                progress = follow_batch(connection, projection, live.generation)
            except FencedOffError:
                progress = None
            if progress is None or progress.events == 0:
                time.sleep(PAUSE_SECONDS)
