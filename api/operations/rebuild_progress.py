"""The progress of a rebuild as server-sent events (HTML Living Standard, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from application.operations.queries import Projections, RebuildStatus

EVENT_STREAM = b"text/event-stream"
LOOK_SECONDS = 0.2
STILL_HERE_SECONDS = 15.0
"""A comment is sent after this long without news, so that no proxy takes the connection for dead."""
MOST_SECONDS = 600.0
"""Then the stream ends; browsers open another one by themselves."""
ENDED = frozenset({"succeeded", "failed"})


async def progress_of(projections: Projections, status: RebuildStatus) -> AsyncIterator[bytes]:
    """An event `progress` at each change, and `end` at the end, with the same content."""
    now = asyncio.get_running_loop().time
    until, silent_since = now() + MOST_SECONDS, now()
    yield b"retry: 1000\n\n" + _event(status)
    while status.state not in ENDED and now() < until:
        await asyncio.sleep(LOOK_SECONDS)
        latest = await projections.rebuild(status.id) or status
        if latest != status:
            status, silent_since = latest, now()
            yield _event(status)
        elif now() > silent_since + STILL_HERE_SECONDS:
            silent_since = now()
            yield b": still here\n\n"


def _event(status: RebuildStatus) -> bytes:
    name = b"end" if status.state in ENDED else b"progress"
    return b"event: %s\ndata: %s\n\n" % (name, msgspec.json.encode(status))
