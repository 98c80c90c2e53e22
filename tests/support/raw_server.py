"""A server with our connections and an application of a few lines."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from api.connections.connection import Connection
from api.connections.limits import Limits
from api.connections.open_connections import OpenConnections
from tests.support.waiting import eventually


class Waiting:
    """An application whose answers to POST wait until they are let go, and that answers anything else at once."""

    def __init__(self, answer: bytes = b"{}") -> None:
        self.answer = answer
        self.at_work = 0
        self._let_go: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await self._wait()
        if scope["method"] == "PUT":
            while (await receive()).get("more_body"):
                pass
        head = [(b"content-length", b"%d" % len(self.answer)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": self.answer})

    async def _wait(self) -> None:
        self._loop, self._let_go = asyncio.get_running_loop(), self._let_go or asyncio.Event()
        self.at_work += 1
        await self._let_go.wait()
        self.at_work -= 1

    def let_go(self) -> None:
        """Answer all who wait."""
        assert self._loop is not None
        assert self._let_go is not None
        self._loop.call_soon_threadsafe(self._let_go.set)


class RawServer:
    """A running server."""

    def __init__(self, url: str, app: Waiting, connections: OpenConnections, server: uvicorn.Server) -> None:
        self.url = url
        self.app = app
        self.connections = connections
        self.server = server

    def is_ended(self, reason: str, times: int = 1) -> bool:
        """Whether so many connections were ended for this reason."""
        return self.connections.ended[reason] >= times


@contextmanager
def raw_server(app: Waiting | None = None, **limits: Any) -> Iterator[RawServer]:
    """A server on a port of its own, with the usual limits or others."""
    app, connections = app or Waiting(), OpenConnections(Limits(**limits))
    options: dict[str, Any] = {
        "http": partial(Connection, connections=connections),
        "loop": "uvloop",
        "lifespan": "off",
        "ws": "none",
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 5,
    }
    server = uvicorn.Server(uvicorn.Config(app, **options))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listening],), name="raw server")
        thread.start()
        try:
            eventually(lambda: server.started or not thread.is_alive(), "the server to start")
            assert server.started, "The server did not start; the log says why."
            yield RawServer(url, app, connections, server)
        finally:
            server.should_exit = True
            thread.join()
