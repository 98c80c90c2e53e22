"""An open loop: requests are sent at a steady rate, whether or not those before are answered; each is accounted for."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec

PATIENCE_SECONDS = 30.0


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One request: when it was due and when its answer was there, on the clock of `time.time`, and the status, or 0."""

    due: float
    answered: float
    status: int


class SteadyLoad:
    """Requests of one kind, over connections that stay open."""

    def __init__(self, port: int, request: Callable[[int], bytes], *, per_second: float, connections: int) -> None:
        self.sent: list[Sent] = []
        self._port = port
        self._request = request
        self._per_second = per_second
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()
        for _ in range(connections):
            self._free.put_nowait(_Connection(port))

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then wait for what is under way."""
        begin, number = time.time(), 0
        under_way: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            due = begin + number / self._per_second
            await asyncio.sleep(max(0.0, due - time.time()))
            task = asyncio.create_task(self._send(due, number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.gather(*under_way)
        while not self._free.empty():
            self._free.get_nowait().close()

    async def _send(self, due: float, number: int) -> None:
        connection = await self._free.get()
        try:
            status = await asyncio.wait_for(connection.ask(self._request(number)), PATIENCE_SECONDS)
        except (OSError, EOFError, TimeoutError):
            connection.close()
            connection, status = _Connection(self._port), 0
        self.sent.append(Sent(due, time.time(), status))
        self._free.put_nowait(connection)


class _Connection:
    """Opened when it is needed first."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer, whose content is read and forgotten."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        return int(head[9:12])

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()


def failed(sent: Sequence[Sent]) -> int:
    """Requests that had no answer, or not one of success."""
    return sum(not 200 <= one.status < 300 for one in sent)


class Gap(msgspec.Struct, frozen=True, order=True):
    """A time without an answer of success."""

    milliseconds: float
    begin: float


def largest_gap(sent: Sequence[Sent], begin: float, end: float) -> Gap:
    """The longest time in a span without an answer of success."""
    answered = sorted(one.answered for one in sent if 200 <= one.status < 300 and begin <= one.answered <= end)
    gaps = pairwise([begin, *answered, end])
    return max(Gap(round(1000 * (later - earlier), 1), earlier) for earlier, later in gaps)
