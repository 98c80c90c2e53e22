"""Lets those who want the same things have them one after another, in the order in which they asked."""

import asyncio


class Turns:
    """Queues by name. Taking several names cannot deadlock, because nobody waits for a name in front of a held one."""

    def __init__(self) -> None:
        self._last: dict[str, asyncio.Event] = {}

    def take(self, *names: str) -> "Turn":
        """A place behind all who asked before for any of these names."""
        turn = Turn(self._last, names, {self._last[name] for name in names if name in self._last})
        self._last.update(dict.fromkeys(names, turn.ended))
        return turn


class Turn:
    """A place in a queue. Its holder must end it, or those behind wait for ever."""

    def __init__(self, last: dict[str, asyncio.Event], names: tuple[str, ...], earlier: set[asyncio.Event]) -> None:
        self.ended = asyncio.Event()
        self._last = last
        self._names = names
        self._earlier = earlier

    async def come(self) -> None:
        """Wait until all who are before have ended."""
        for ended in self._earlier:
            await ended.wait()

    def end(self) -> None:
        """Let those behind come."""
        self.ended.set()
        for name in self._names:
            if self._last.get(name) is self.ended:
                del self._last[name]
