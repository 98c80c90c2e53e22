"""All open connections of a process: their number, whose turn it is, and their deadlines."""

import asyncio
from collections import Counter, OrderedDict
from typing import Protocol

from api.connections.limits import Limits

CONNECTIONS = "reprise.connections"
"""The key of a request's scope under which it finds all open connections."""


class OpenConnection(Protocol):
    """A connection, as the register sees it."""

    def give_way(self) -> None:
        """End, to make room for another one."""

    def look_at_clock(self, now: float) -> None:
        """End, if it is time."""


class OpenConnections:
    """A bounded number of connections.

    At any time it is either the peer's turn (to send a request, or the rest of it, or to read the answer) or ours. If
    there is no room, the connection that has waited longest for its peer is closed. So a client that opens idle
    connections loses its own first, and a new connection is refused only if all others are being served.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ended: Counter[str] = Counter()
        """How many were ended before their request reached the API, by the reason."""
        self._open: set[OpenConnection] = set()
        self._waiting: OrderedDict[OpenConnection, None] = OrderedDict()
        self._parting: set[OpenConnection] = set()
        self._clock: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def admits(self, connection: OpenConnection, loop: asyncio.AbstractEventLoop) -> bool:
        """Take a connection in, if there is room or some can be made."""
        if self._clock is None:
            self._clock = loop.call_later(self.limits.pace, self._look_at_clock, loop)
        if len(self._open) >= self.limits.connections and not self._make_room():
            return False
        self._open.add(connection)
        return True

    def awaits_peer(self, connection: OpenConnection) -> None:
        """From now on it is the peer's turn."""
        if connection in self._open:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection)

    def is_at_work(self, connection: OpenConnection) -> None:
        """From now on it is our turn."""
        self._waiting.pop(connection, None)

    def may_part(self, connection: OpenConnection) -> bool:
        """Whether a connection that is being closed may stay until its peer has read why."""
        if len(self._parting) >= self.limits.parting:
            return False
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._parting.add(connection)
        return True

    def forget(self, connection: OpenConnection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._parting.discard(connection)

    def _make_room(self) -> bool:
        if not self._waiting:
            return False
        oldest, _ = self._waiting.popitem(last=False)
        self._open.discard(oldest)
        self.ended["made_room"] += 1
        oldest.give_way()
        return True

    def _look_at_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [*self._open, *self._parting]:
            connection.look_at_clock(now)
        some = self._open or self._parting
        self._clock = loop.call_later(self.limits.pace, self._look_at_clock, loop) if some else None
