"""Answers: encoded once and sent directly, each with the log position that it reflects."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import msgspec
from litestar.response import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from api.http.preconditions import etag
from application.queries import Page
from application.unit_of_work import Saved

T = TypeVar("T")
ItemT = TypeVar("ItemT")

_ENCODER = msgspec.json.Encoder()
# No shared or browser cache may store an answer about people (RFC 9111 section 5.2.2.5).
_ALWAYS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
Headers = list[tuple[bytes, bytes]]

HEAD = "reprise.head"
"""Marks the scope of a HEAD request."""


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """The result of a command: the id of what it is about, its new version, and the position that includes the change.

    Each kind of aggregate has its own, which names the id; the fields come in this order.
    """


ReceiptT = TypeVar("ReceiptT", bound=Receipt)


class PageView(msgspec.Struct, Generic[ItemT], frozen=True, kw_only=True, rename="camel"):
    """A page of items. `nextCursor` leads to the next page; it is null on the last one."""

    items: list[ItemT]
    next_cursor: str | None


class Answer(Response[T]):
    """An answer with JSON content; its type is described in the OpenAPI document."""

    def __init__(self, content: T, headers: Headers, status: int = 200) -> None:
        super().__init__(content, status_code=status)
        self._octet_headers = headers

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override] # nothing of it is needed
        """The answer, ready to be sent."""
        status = self.status_code or HTTPStatus.OK
        headers = [*_ALWAYS, *self._octet_headers]
        if status == HTTPStatus.NOT_MODIFIED:
            return _sending(status, headers, b"")
        content = _ENCODER.encode(self.content)
        headers.append((b"content-length", b"%d" % len(content)))
        return _sending(status, headers, content)


class Document(Response[bytes]):
    """An answer that is sent as it is, with its media type. `public` ones contain nothing about anybody."""

    def __init__(
        self,
        content: bytes,
        media_type: str,
        headers: Headers | None = None,
        *,
        public: bool = False,
        status: int = HTTPStatus.OK,
    ) -> None:
        super().__init__(content, media_type=media_type, status_code=status)
        self._octet_headers = headers or []
        self._cache_control = b"no-cache" if public else b"no-store"

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override] # nothing of it is needed
        """The answer, ready to be sent."""
        described = [
            (b"content-type", str(self.media_type).encode()),
            (b"content-length", b"%d" % len(self.content)),
            (b"cache-control", self._cache_control),
            (b"x-content-type-options", b"nosniff"),
        ]
        return _sending(self.status_code or HTTPStatus.OK, [*described, *self._octet_headers], self.content)


class Streamed(Response[bytes]):
    """An answer of any length, produced in pieces while it is sent, until the client disconnects.

    On an error the connection is cut, so that nobody mistakes the beginning for the whole. `close` is always called at
    the end, even if no piece was requested.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], media_type: str, headers: Headers, close: Callable[[], object] | None = None
    ) -> None:
        super().__init__(b"", media_type=media_type)
        self._pieces = pieces
        self._octet_headers = headers
        self._close = close

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override] # nothing of it is needed
        """The answer, ready to be sent."""
        return self._send

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._send_all(scope, receive, send)
        finally:
            if self._close:
                self._close()

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", str(self.media_type).encode()), *_ALWAYS[1:], *self._octet_headers]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        gone = asyncio.create_task(_disconnected(receive))
        try:
            if HEAD not in scope:
                await self._send_pieces(gone, send)
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_pieces(self, gone: asyncio.Task[None], send: Send) -> None:
        async for piece in self._pieces:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _sending(status: int, headers: Headers, content: bytes) -> ASGIApp:
    async def send_answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - Litestar names them
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    return send_answer


def position_header(position: int) -> tuple[bytes, bytes]:
    """The log position that an answer reflects."""
    return b"log-position", b"%d" % position


def done(saved: Saved, receipt: type[ReceiptT]) -> Answer[ReceiptT]:
    """The answer to a command."""
    return Answer(_receipt(saved, receipt), _headers_of(saved))


def created(saved: Saved, receipt: type[ReceiptT], path: str) -> Answer[ReceiptT]:
    """The answer to a command that made something, which is found under a path and its id."""
    location = (b"location", f"{path}/{saved.aggregate_id}".encode())
    return Answer(_receipt(saved, receipt), [*_headers_of(saved), location], status=201)


def page_of(page: Page[Any], items: list[T]) -> Answer[PageView[T]]:
    """One page of a list, with its items converted to views."""
    return Answer(page_view(page, items), [position_header(page.position)])


def page_view(page: Page[Any], items: list[T]) -> PageView[T]:
    """The content of such an answer."""
    return PageView(items=items, next_cursor=page.next_cursor)


def _receipt(saved: Saved, receipt: type[ReceiptT]) -> ReceiptT:
    return receipt(saved.aggregate_id, saved.version, saved.position)


def _headers_of(saved: Saved) -> Headers:
    return [(b"etag", etag(saved.version)), position_header(saved.position)]
