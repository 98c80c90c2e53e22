"""Writes all events that a search finds to a file."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from api.history.export_formats import ExportFormat, exported
from application.history.queries import Findings
from application.history.timeline import TimelineEntry
from infrastructure.files.private_files import whole_file


async def write_export(found: Findings[TimelineEntry], path: Path, form: ExportFormat) -> int:
    """Write all events and return how many there were; the file appears when it is complete."""
    count = 0

    async def counted() -> AsyncIterator[Sequence[TimelineEntry]]:
        nonlocal count
        async for batch in found.batches:
            count += len(batch)
            yield batch

    with whole_file(path) as file:
        async for piece in exported(replace(found, batches=counted()), form):
            file.write(piece)
    return count
