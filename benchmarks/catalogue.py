"""All that can be measured."""

from collections.abc import Callable

from benchmarks.figures import Figure
from benchmarks.laboratory import Laboratory
from benchmarks.suites import (
    api_process,
    audit_search,
    follow_lag,
    forgetting,
    growth,
    http_commands,
    http_commands_two_workers,
    idle,
    in_process_commands,
    lifecycle,
    list_page,
    offered_load,
    processor_time,
    read_by_id,
    rebuild,
    rebuild_under_load,
    replay,
    sealing,
    search,
    storage,
    verification,
)

Suite = Callable[[Laboratory], Figure]

SUITES: dict[str, Suite] = {
    "http_commands": http_commands.measure,
    "http_commands_two_workers": http_commands_two_workers.measure,
    "processor_time": processor_time.measure,
    "offered_load": offered_load.measure,
    "idle": idle.measure,
    "in_process_commands": in_process_commands.measure,
    "lifecycle": lifecycle.measure,
    "read_by_id": read_by_id.measure,
    "list_page": list_page.measure,
    "search": search.measure,
    "replay": replay.measure,
    "rebuild": rebuild.measure,
    "rebuild_under_load": rebuild_under_load.measure,
    "follow_lag": follow_lag.measure,
    "forgetting": forgetting.measure,
    "growth": growth.measure,
    "api_process": api_process.measure,
    "storage": storage.measure,
    "sealing": sealing.measure,
    "verification": verification.measure,
    "audit_search": audit_search.measure,
}
"""In the order of the report: one for each row of the table of goals."""
