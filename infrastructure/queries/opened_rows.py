"""Opens what is personal in rows of the log that a query has read."""

from collections.abc import Sequence
from typing import Any

from infrastructure.privacy.key_cache import SubjectKeys
from infrastructure.privacy.reasons import open_reason, subject_of
from infrastructure.privacy.stored_events import open_row, subjects_in

REASON, _COMMAND_ID = 9, 10


async def open_with(keys: SubjectKeys, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that begin as facts do (infrastructure/log_reader.py), with or without their metadata, opened.

    Keys are looked up after the rows were read, so nobody who was erased before is read with an old key.
    """
    subjects = subjects_in(rows) | {subject for row in rows if (subject := _subject_of_reason(row))}
    ciphers = await keys.ciphers(subjects)
    opened = [open_row(row, ciphers) for row in rows]
    return [
        (*row[:REASON], open_reason(ciphers, row[REASON], row[_COMMAND_ID]), *row[_COMMAND_ID:])
        if _subject_of_reason(row)
        else row
        for row in opened
    ]


def _subject_of_reason(row: Sequence[Any]) -> Any:
    return subject_of(row[REASON]) if len(row) > REASON else None
