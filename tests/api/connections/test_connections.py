"""What goes over a connection, and in how many pieces."""

import asyncio
from typing import Any

import uvicorn
from litestar.types import Receive, Scope, Send
from uvicorn.server import ServerState

from api.connections.connection import Connection


class Written(asyncio.Transport):
    """A connection to nowhere that remembers what was sent over it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed_after = len(self.pieces)

    def is_closing(self) -> bool:
        return self.closed_after is not None


async def answers(*contents: bytes, request: bytes) -> Written:
    """What is sent in answer to a request, by an application that has its content in so many pieces."""
    done = asyncio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        length = b"%d" % sum(map(len, contents))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for number, content in enumerate(contents, start=1):
            more = number < len(contents)
            await send({"type": "http.response.body", "body": content, "more_body": more})
            if more:
                await let_the_loop_come_round()
        done.set()

    config = uvicorn.Config(app, http=Connection, server_header=False, date_header=False, log_config=None)
    config.load()
    connection, written = Connection(config, ServerState(), {}), Written()
    connection.connection_made(written)
    connection.data_received(request)
    await done.wait()
    await let_the_loop_come_round()
    return written


async def let_the_loop_come_round() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_an_answer_goes_out_in_one_piece() -> None:
    written = await answers(b"here", request=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert written.pieces == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere"]
    assert written.closed_after is None


async def test_what_takes_longer_does_not_hold_back_what_is_there() -> None:
    written = await answers(b"first,", b"second", request=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert written.pieces == [b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nfirst,", b"second"]


async def test_a_connection_is_not_closed_before_the_answer_is_sent() -> None:
    written = await answers(b"here", request=b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert written.pieces == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere"]
    assert written.closed_after == 1
