"""The timeline, read whole: as of one position, however long it takes and whatever happens meanwhile."""

from pathlib import Path

from application.queries import AuditFilter
from infrastructure.queries.timeline import BATCH
from infrastructure.service import open_service
from tests.support.audited import append_events
from tests.support.running import follow_to_head, settings_in


async def test_what_is_recorded_while_it_is_read_is_not_part_of_it(database: str, home: Path) -> None:
    append_events(database, BATCH)
    follow_to_head(database)
    async with open_service(settings_in(home), database) as service:
        found = await service.timeline.all_of(AuditFilter(topic="user.registered"))
        append_events(database, 5)
        follow_to_head(database)
        positions = [entry.position async for batch in found.batches for entry in batch]

    assert found.position == BATCH
    assert positions == list(range(1, BATCH + 1))
