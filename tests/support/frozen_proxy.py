"""Something between a program and its database that can stand still, and hold whatever is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Proxy:
    """Passes octets on in both directions while it is open."""

    def __init__(self, conninfo: str, directory: Path) -> None:
        there = conninfo_to_dict(conninfo)
        self.conninfo = make_conninfo(conninfo, host=str(directory))
        self.moves = asyncio.Event()
        self.moves.set()
        self._target = f"{there['host']}/.s.PGSQL.{there['port']}"
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            async with _closed(writer):
                await self.moves.wait()
                from_server, to_server = await asyncio.open_unix_connection(self._target)
                async with _closed(to_server), asyncio.TaskGroup() as ways:
                    ways.create_task(self._pass(reader, to_server))
                    ways.create_task(self._pass(from_server, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on what one of them says until it has said all."""
        with suppress(OSError):
            while octets := await source.read(65_536):
                await self.moves.wait()
                sink.write(octets)
            await self.moves.wait()
            sink.write_eof()

    async def end(self) -> None:
        """Leave nothing behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def _closed(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """At the end of the context."""
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def proxy_to(conninfo: str, directory: Path) -> AsyncIterator[Proxy]:
    """A proxy with its socket in a directory, whose path must be short."""
    proxy = Proxy(conninfo, directory)
    async with await asyncio.start_unix_server(proxy.accept, directory / ".s.PGSQL.5432"):
        try:
            yield proxy
        finally:
            await proxy.end()
