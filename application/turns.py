"""Lets those who want the same things have them one after another, in the order in which they asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Who waits for which names. Several names at once cannot lead to a deadlock: nobody waits for a later one."""

    def __init__(self) -> None:
        self._last: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def turn(self, *names: str) -> AsyncIterator[None]:
        """Wait until all who asked before for any of these names are done. One's place is taken without waiting."""
        earlier = {self._last[name] for name in names if name in self._last}
        done = asyncio.Event()
        self._last.update(dict.fromkeys(names, done))
        try:
            for event in earlier:
                await event.wait()
            yield
        finally:
            done.set()
            for name in names:
                if self._last.get(name) is done:
                    del self._last[name]
