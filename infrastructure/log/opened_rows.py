"""Opens what is personal in rows of the log that a query has read."""

from collections.abc import Sequence
from typing import Any

from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.reasons import open_reason, subjects_of
from infrastructure.log.stored_events import open_row, subjects_in

_REASON, _COMMAND_ID = 9, 10


async def open_with(keys: SubjectKeys, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that begin like events (infrastructure/log/reader.py), with or without metadata, unsealed.

    Keys are looked up after the rows are read, so nobody who was erased before is read with an old key.
    """
    has_reasons = bool(rows) and len(rows[0]) > _REASON
    reasons = [row[_REASON] for row in rows] if has_reasons else []
    ciphers = await keys.ciphers(subjects_in(rows) | subjects_of(reasons))
    opened = [open_row(row, ciphers) for row in rows]
    if not has_reasons:
        return opened
    return [
        (*row[:_REASON], open_reason(ciphers, row[_REASON], row[_COMMAND_ID]), *row[_COMMAND_ID:]) for row in opened
    ]
