"""Compares what the next version of a definition makes of the log with the rows that the present one has made.

A fold cannot be checked against itself: a mistake in it shows only where something else says what is right. That is the
version that serves now. Whatever the definition does not declare as changed must come out the same.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from application.projections.definition import Projection
from infrastructure.log.reader import Connection
from infrastructure.projections.columns import SCHEMA, table_name
from infrastructure.projections.generations import Generation, live_generation
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.verifying import PRESENCE, SAMPLE, RowDiffersError, Verification, check_sample


def compare_with_live(connection: Connection, projection: Projection[Any], sample: int = SAMPLE) -> Verification:
    """Fold some streams with this definition up to where an older live version stands, and compare.

    Raises `RowDiffersError` at the first undeclared difference. Nothing is compared with rows of the same version.
    """
    live = live_generation(connection, projection.name)
    if live is None or live.version == projection.version:
        return Verification()
    table = ModelTable(replace(projection, row=_shared_row(connection, projection, live)), live.generation)
    found = check_sample(connection, projection, table, sample)
    for difference in found.differences:
        if difference.columns != [PRESENCE] or PRESENCE not in projection.changes:
            raise RowDiffersError(projection.name, difference, than=f"version {live.version}")
    return found


def _shared_row(connection: Connection, projection: Projection[Any], live: Generation) -> type[msgspec.Struct]:
    """The columns that both versions have and that are to mean the same in both."""
    there = columns_of(connection, projection.name, live.generation)
    fields = [
        (field.name, field.type)
        for field in msgspec.structs.fields(projection.row)
        if field.name == projection.key_column or (field.name in there and field.name not in projection.changes)
    ]
    return msgspec.defstruct("Shared", fields, frozen=True)


def columns_of(connection: Connection, name: str, generation: int) -> frozenset[str]:
    """The columns that the table of a generation has."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (f"{SCHEMA}.{table_name(name, generation)}",),
    ).fetchall()
    return frozenset(column for (column,) in rows)
