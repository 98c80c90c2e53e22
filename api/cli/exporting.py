"""Writes all facts that a search finds to a file."""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from api.exports import ExportFormat, exported
from application.queries import Findings
from application.user_timeline import TimelineEntry


async def write_export(found: Findings[TimelineEntry], path: Path, form: ExportFormat) -> int:
    """Write all facts; the file is there when it is whole, and not before. Answers how many there were."""
    fresh = path.with_name(f".{path.name}.part")
    count = 0

    async def counted() -> AsyncIterator[Sequence[TimelineEntry]]:
        nonlocal count
        async for batch in found.batches:
            count += len(batch)
            yield batch

    try:
        with fresh.open("wb") as file:
            async for piece in exported(replace(found, batches=counted()), form):
                file.write(piece)
        os.replace(fresh, path)  # noqa: PTH105 - what it does is said best by its name
    finally:
        fresh.unlink(missing_ok=True)
    return count
