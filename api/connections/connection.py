"""One connection: requests come in within limits and deadlines, and whatever is refused gets a problem document.

Uvicorn starts and stops it, and knows nothing else of it; decision 20 says why it is not uvicorn's own.
"""

import asyncio
import math
from collections import deque
from enum import Enum, auto
from functools import cache
from typing import Any

import structlog
from litestar.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from api.connections.exchange import Exchange
from api.connections.heads import Refusal
from api.connections.limits import Limits
from api.connections.open_connections import CONNECTIONS, OpenConnections
from api.connections.outgoing import Outgoing
from api.connections.raw_refusals import raw_refusal
from api.connections.request_reader import NothingMoreError, RequestReader, Scope
from api.http.problems import Kind

log = structlog.get_logger("api")


class WhoseTurn(Enum):
    """What a connection waits for."""

    OURS = auto()
    HEAD = auto()
    CONTENT = auto()
    IDLE = auto()


@cache
def _seconds(limits: Limits) -> dict[WhoseTurn, float]:
    """How long each turn may last."""
    return {
        WhoseTurn.OURS: math.inf,
        WhoseTurn.HEAD: limits.head_seconds,
        WhoseTurn.CONTENT: limits.content_seconds,
        WhoseTurn.IDLE: limits.idle_seconds,
    }


class Connection(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - part of what uvicorn calls
        _loop: asyncio.AbstractEventLoop | None = None,
        connections: OpenConnections | None = None,
    ) -> None:
        self._app: ASGIApp = config.loaded_app
        self._server = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._connections = OpenConnections(Limits()) if connections is None else connections
        self._limits = self._connections.limits
        self._seconds = _seconds(self._limits)
        self._turn: WhoseTurn | None = None
        self._deadline = math.inf
        self._out: Outgoing
        self._reader: RequestReader
        self._reads = True
        """Whether what comes is parsed; False once and for all when it is refused."""
        self._is_paused = False
        self._refusal: Kind | None = None
        self._thrown_away = 0
        self._answering: Exchange | None = None
        """The request that is being answered."""
        self._newest: Exchange | None = None
        """The request that is being read, or was last."""
        self._queue: deque[Exchange] = deque()
        """Requests that wait for the answers to earlier ones."""
        self.writable: asyncio.Event | None = None

    # ---- what the event loop and the server tell

    def connection_made(self, transport: Any) -> None:
        """Begin with a connection."""
        self._server.connections.add(self)  # type: ignore[arg-type] # uvicorn names its own protocols only
        self._out = Outgoing(transport, self._loop, self._finish)
        self.write = self._out.write
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "http",
            "root_path": "",
            CONNECTIONS: self._connections,
        }
        self._reader = RequestReader(self._limits, scope, self)
        if self._connections.admits(self, self._loop):
            self._await(WhoseTurn.HEAD)
        else:
            self._refuse(Kind.CONNECTIONS_EXHAUSTED)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - part of what asyncio calls
        """Nobody waits for anything any more."""
        self._out.is_over = True
        self._connections.forget(self)
        self._server.connections.discard(self)
        for exchange in filter(None, (self._answering, *self._queue)):
            exchange.leave()
        self._queue.clear()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read what has arrived."""
        if not self._reads:
            self._throw_away(len(data))
            return
        try:
            self._reader.feed(data)
        except Refusal as refusal:
            self._refuse(refusal.kind)
        except NothingMoreError:
            self._end_after_answers()
        self._settle()

    def pause_writing(self) -> None:
        """The peer does not keep up with reading."""
        self.writable = asyncio.Event()
        self._connections.awaits_peer(self)

    def resume_writing(self) -> None:
        """The peer has read enough to go on with."""
        if self.writable is not None:
            self.writable.set()
            self.writable = None
            self._await(self._whose_turn())

    def shutdown(self) -> None:
        """Answer the requests in progress, and close."""
        if self._is_answering():
            self._end_after_answers()
        else:
            self._out.close()

    # ---- what the reader tells

    def begin(self, scope: Scope, *, keeps_alive: bool, is_small: bool, expects_continue: bool) -> None:
        """Have a request answered, now or when its turn has come."""
        exchange = Exchange(self, scope, keeps_alive=keeps_alive and is_small, expects_continue=expects_continue)
        # If the answer is there before such content, the connection ends with it: nobody wants to read it all.
        exchange.stays_alive = keeps_alive
        self._newest = exchange
        self._turn = None
        if self._is_answering():
            self._queue.append(exchange)
            self._pause_reading()
        else:
            self._answer(exchange)

    def take(self, content: bytes) -> None:
        """Hold content until it is read, but no more than would be taken."""
        exchange = self._newest
        if exchange is None or exchange.is_answered or len(exchange.content) > self._limits.content_octets:
            return
        exchange.content += content
        exchange.tell()
        if len(exchange.content) > self._limits.content_octets:
            self._pause_reading()

    def end(self) -> None:
        """A request is complete."""
        exchange = self._newest
        if exchange is None:
            return
        exchange.is_complete = True
        if not exchange.is_started:
            exchange.keeps_alive = exchange.stays_alive
            exchange.tell()
        self._allow_more(exchange)

    # ---- what an exchange tells

    @property
    def default_fields(self) -> list[tuple[bytes, bytes]]:
        """Fields that each answer begins with."""
        return self._server.default_headers

    def resume_content(self, exchange: Exchange) -> None:
        """Read on: the content that was held has been taken."""
        if exchange is self._newest:
            self._resume_reading()
            self._settle()

    def answered(self, exchange: Exchange) -> None:
        """Go on to the next request, or wait for it."""
        self._server.total_requests += 1
        if not exchange.keeps_alive:
            self._queue.clear()
            self._out.close()
        elif self._queue:
            self._answer_next()
        elif self._refusal is not None:
            self._answer_refusal(self._refusal)
        if self._is_paused and self._reads and not self._queue:
            self._resume_reading()
        self._settle()

    def break_off(self) -> None:
        """End in the middle of an answer, so that nobody takes it for complete."""
        self._out.close()

    def _answer_next(self) -> None:
        self._answer(self._queue.popleft())
        if self._newest is not None and self._newest.is_complete:
            self._allow_more(self._newest)

    def _allow_more(self, newest: Exchange) -> None:
        self._reader.takes_more = newest.keeps_alive and len(self._queue) < self._limits.pipelined

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        task = self._loop.create_task(exchange.run(self._app))
        task.add_done_callback(self._server.tasks.discard)
        self._server.tasks.add(task)

    def _is_answering(self) -> bool:
        exchange = self._answering
        return exchange is not None and not exchange.is_answered and not exchange.is_gone

    # ---- refusing

    def _end_after_answers(self) -> None:
        """Read no more requests; end with the answer to the last one."""
        last = self._newest
        if last is None:
            return
        last.keeps_alive = last.stays_alive = False
        self._reader.takes_more = False
        if last.is_complete:
            self._reads = False
            self._pause_reading()

    def _refuse(self, kind: Kind) -> None:
        """Read no more; answer with a problem document when earlier requests are answered, and end."""
        self._reads, self._refusal = False, kind
        self._connections.ended[kind.code] += 1
        if self._reader.in_content:
            self._give_up_request()
        if self._is_answering():
            self._pause_reading()
        else:
            self._answer_refusal(kind)

    def _give_up_request(self) -> None:
        """The request that is being read will never be complete: who reads it is told, and nobody answers it."""
        if self._newest is self._answering:
            if self._is_answering() and self._newest is not None:
                self._newest.leave()
        else:
            self._queue.pop()

    def _answer_refusal(self, kind: Kind) -> None:
        if not self._was_answered():
            self.write(raw_refusal(kind, self.default_fields, is_head=self._reader.is_head))
        if kind is not Kind.CONNECTIONS_EXHAUSTED:
            log.info("request.refused", status=kind.status.value, code=kind.code)
        self._out.close()

    def _was_answered(self) -> bool:
        """Whether the request that is refused has had an answer already, or a part of it."""
        exchange = self._answering
        return self._reader.in_content and exchange is self._newest and exchange is not None and exchange.is_started

    # ---- whose turn it is, and until when

    def look_at_clock(self, now: float) -> None:
        """End, if the peer has taken too long."""
        if now >= self._deadline:
            self._end_too_late()
        elif self._out.is_stalled(now, self._limits.write_seconds):
            self._connections.ended["not_read"] += 1
            self._out.abort()

    def give_way(self) -> None:
        """End, to make room for another one."""
        if self._out.holds_back():
            self._out.abort()
        elif self._reader.has_begun:
            self._refuse(Kind.CONNECTIONS_EXHAUSTED)
        else:
            self._out.close()

    def _end_too_late(self) -> None:
        if self._out.is_over:
            self._out.abort()
        elif self._reader.has_begun:
            self._refuse(Kind.REQUEST_TIMEOUT)
        else:
            self._connections.ended["idle"] += 1
            self._out.close()

    def _settle(self) -> None:
        """Find out whose turn it is, and how long it may last."""
        turn = self._whose_turn()
        if turn is not self._turn:
            self._await(turn)

    def _whose_turn(self) -> WhoseTurn:
        reader, exchange = self._reader, self._answering
        if self._is_paused or not self._reads:
            return WhoseTurn.OURS
        if reader.in_content:
            return WhoseTurn.CONTENT
        if exchange is not None and not exchange.is_answered and not exchange.is_gone:
            return WhoseTurn.OURS
        return WhoseTurn.HEAD if exchange is None or reader.has_begun else WhoseTurn.IDLE

    def _await(self, turn: WhoseTurn) -> None:
        if self._out.is_over:
            return
        self._turn = turn
        if turn is WhoseTurn.OURS:
            self._deadline = math.inf
            if self.writable is None:
                self._connections.is_at_work(self)
            return
        self._deadline = self._loop.time() + self._seconds[turn]
        self._connections.awaits_peer(self)

    def _pause_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._out.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._out.transport.resume_reading()

    # ---- the end

    def _finish(self) -> None:
        """Send no more. What still comes is thrown away for a moment: a reset could take the answer with it."""
        transport = self._out.transport
        peer_may_be_sending = not self._out.is_over and (not self._reads or self._reader.in_content)
        self._out.is_over, self._reads = True, False
        if not peer_may_be_sending or transport.is_closing() or not self._connections.may_part(self):
            transport.close()
            return
        self._deadline = self._loop.time() + self._limits.parting_seconds
        self._resume_reading()
        transport.write_eof()

    def _throw_away(self, octets: int) -> None:
        if self._out.is_over:
            self._thrown_away += octets
        if self._thrown_away > self._limits.parting_octets:
            self._out.abort()
