"""One request and its answer, as ASGI has it: an application receives the one and sends the other."""

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

import structlog
from litestar.types import ASGIApp

from api.connections.raw_refusals import raw_refusal
from api.connections.request_reader import Scope
from api.http.problems import Kind

log = structlog.get_logger("api")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
WITHOUT_CONTENT = frozenset({204, 304})

Fields = list[tuple[bytes, bytes]]


class MessageUnexpectedError(RuntimeError):
    """An application sent what ASGI, or HTTP, does not let it send now."""


class Line(Protocol):
    """What an exchange needs of its connection."""

    writable: asyncio.Event | None
    """Set once more can be written; None if it can be now."""

    @property
    def default_fields(self) -> Fields:
        """Fields that each answer begins with."""

    def write(self, octets: bytes) -> None:
        """Send, in a moment."""

    def resume_content(self, exchange: "Exchange") -> None:
        """Read on: the content that was held has been taken."""

    def answered(self, exchange: "Exchange") -> None:
        """The answer is complete."""

    def break_off(self) -> None:
        """End in the middle of an answer, so that nobody takes it for complete."""


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_awaits_continue",
        "_expected",
        "_is_chunked",
        "_is_head",
        "_line",
        "_news",
        "_told",
        "content",
        "is_answered",
        "is_complete",
        "is_gone",
        "is_started",
        "keeps_alive",
        "scope",
        "stays_alive",
    )

    def __init__(self, line: Line, scope: Scope, *, keeps_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.content = bytearray()
        """Content that was not read yet."""
        self.keeps_alive = keeps_alive
        """Whether the connection goes on after the answer; the peer is told what holds when the answer begins."""
        self.stays_alive = keeps_alive
        """What `keeps_alive` becomes once the request is complete."""
        self.is_complete = False
        """All of the request is there."""
        self.is_started = False
        """The answer has begun."""
        self.is_answered = False
        self.is_gone = False
        """Nobody waits for the answer any more."""
        self._line = line
        self._awaits_continue = expects_continue
        self._is_head = scope["method"] == "HEAD"
        self._is_chunked = False
        self._expected = 0
        self._news = False
        self._told: asyncio.Event | None = None

    async def run(self, app: ASGIApp) -> None:
        """Have the application answer; if it fails, say so."""
        try:
            await app(self.scope, self.receive, self.send)  # type: ignore[arg-type] # ASGI has types of its own
        except asyncio.CancelledError:
            self.leave()
            self._line.break_off()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            log.error("request.failed", method=self.scope["method"], error=type(error).__qualname__)  # noqa: TRY400 - messages can hold anything
        finally:
            if not self.is_answered and not self.is_gone:
                self._fail()

    def tell(self) -> None:
        """There is something new to receive."""
        self._news = True
        if self._told is not None:
            self._told.set()

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        self.is_gone = True
        self.tell()

    async def receive(self) -> Any:
        """The next piece of content; when all of it was received, the end of the exchange, once it comes."""
        if self._awaits_continue and not self.is_complete and not self.is_gone:
            self._awaits_continue = False
            self._line.write(CONTINUE)
        if not self._news and not self.is_answered and not self.is_gone:
            self._told = self._told or asyncio.Event()
            self._told.clear()
            await self._told.wait()
        if self.is_answered or self.is_gone:
            return {"type": "http.disconnect"}
        self._news = False
        message = {"type": "http.request", "body": bytes(self.content), "more_body": not self.is_complete}
        self.content.clear()
        if not self.is_complete:
            self._line.resume_content(self)
        return message

    async def send(self, message: Any) -> None:
        """Send the head of an answer, then its content, as fast as the peer takes it."""
        if self._line.writable is not None and not self.is_gone:
            await self._line.writable.wait()
        if self.is_gone:
            return
        if not self.is_started:
            self._start(message)
        elif self.is_answered or message["type"] != "http.response.body":
            raise MessageUnexpectedError(message["type"])
        else:
            self._go_on(message.get("body", b""), ends=not message.get("more_body", False))

    def _start(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise MessageUnexpectedError(message["type"])
        status = message["status"]
        fields = self._line.default_fields + list(message.get("headers", ()))
        fields += self._framing(fields, status)
        head = b"".join([STATUS_LINES[status], *[b"%b: %b\r\n" % (name, value) for name, value in fields], b"\r\n"])
        lines = len(fields) + 2
        if head.count(b"\r") != lines or head.count(b"\n") != lines or b"\0" in head:
            raise MessageUnexpectedError("A field may not hold line breaks.")
        self.is_started, self._awaits_continue = True, False
        self._line.write(head)

    def _framing(self, fields: Fields, status: int) -> Fields:
        """Fields that tell where the answer ends, and whether the connection ends with it."""
        length: bytes | None = None
        for name, value in fields:
            if name == b"content-length":
                length = value
            elif name == b"connection" and value.lower() == b"close":
                self.keeps_alive = False
        self._is_chunked = length is None and not self._is_head and status not in WITHOUT_CONTENT
        self._expected = int(length or 0)
        added = [(b"transfer-encoding", b"chunked")] if self._is_chunked else []
        return added if self.keeps_alive else [*added, (b"connection", b"close")]

    def _go_on(self, content: bytes, *, ends: bool) -> None:
        if self._is_chunked:
            content = (b"%x\r\n%b\r\n" % (len(content), content) if content else b"") + (b"0\r\n\r\n" if ends else b"")
        elif self._is_head:
            content, self._expected = b"", 0
        else:
            self._expected -= len(content)
            if self._expected < 0 or (ends and self._expected):
                raise MessageUnexpectedError("The content does not have the length that was told.")
        if content:
            self._line.write(content)
        if ends:
            self.is_answered = True
            self.tell()
            self._line.answered(self)

    def _fail(self) -> None:
        """Nothing else has answered: it is our fault."""
        if self.is_started:
            self._line.break_off()
            return
        self.is_started = self.is_answered = True
        self.keeps_alive = False
        self._line.write(raw_refusal(Kind.INTERNAL_ERROR, self._line.default_fields, is_head=self._is_head))
        self._line.answered(self)
