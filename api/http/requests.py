"""A request as controllers see it: who sends it, its headers, its content."""

from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qs
from uuid import UUID

from litestar.connection import Request
from litestar.datastructures import State
from litestar.types import Empty, Receive, Scope, Send

from api.http.content_negotiation import FORM, MERGE_PATCH, fault_of_content_type
from api.http.header_values import list_members
from api.http.json_content import content_form, decode
from api.http.own_writes import OwnWrites
from api.http.problems import Kind, Refused
from application.access_tokens import Access, AccessTokens
from application.ports import Service

BODY_LIMIT = 65_536
"""Octets in a request's content."""

SINGLE = frozenset(
    {
        b"authorization",
        b"content-type",
        b"correlation-id",
        b"idempotency-key",
        b"min-log-position",
        b"reprise-purpose",
        b"reprise-reason",
    }
)
"""Headers that mean nothing as a list."""


class ApiRequest(Request[None, Access, State]):
    """One request."""

    access: Access
    """What the sender's token stands for; not there where no token is needed."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        received = cast("list[tuple[bytes, bytes]]", scope["headers"])
        self._headers = dict(received)
        self.repeated_header: bytes | None = None
        """A header that is not a list, but occurred more than once: a proxy may have used the other one."""
        if len(self._headers) < len(received):
            self._headers = _combined(received)
            self.repeated_header = _repeated(received)

    @property
    def service(self) -> Service:
        """The application."""
        return self.app.state.service  # type: ignore[no-any-return]

    @property
    def own_writes(self) -> OwnWrites:
        """What callers have written through this process."""
        return self.app.state.own_writes  # type: ignore[no-any-return]

    @property
    def tokens(self) -> AccessTokens:
        """What verifies access tokens."""
        return self.app.state.tokens  # type: ignore[no-any-return]

    def header(self, name: bytes) -> bytes | None:
        """A header by its name in lower case, as sent."""
        return self._headers.get(name)

    def text_header(self, name: bytes) -> str | None:
        """A header that holds text in UTF-8."""
        value = self._headers.get(name)
        if value is None:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise header_refused(name) from None

    def uuid_header(self, name: bytes) -> UUID | None:
        """A header that holds a UUID."""
        value = self._headers.get(name)
        if value is None:
            return None
        try:
            return UUID(value.decode("ascii"))
        except ValueError:
            raise header_refused(name) from None

    async def body(self) -> bytes:
        """The content, of the media type and size that the handler takes."""
        if self._body is Empty:
            form = content_form(self.route_handler)
            content = await self._read()
            if content:
                self._check_form(form.media_types)
            elif form.is_required:
                raise Refused(Kind.CONTENT_MISSING)
            if form.decoder is None and content.strip() not in {b"", b"{}"}:
                raise Refused(Kind.CONTENT_UNEXPECTED)
            self._body = content
        return self._body

    async def json(self) -> Any:
        """The content as exactly the type the handler declares: nothing is coerced, no field is ignored."""
        form = content_form(self.route_handler)
        return decode(form, await self.body()) if form.decoder else None

    async def html_form(self) -> dict[str, list[str]]:
        """The fields of an HTML form, each with all its values."""
        content = await self._read()
        self._check_form(frozenset({FORM}))
        self._body = content
        return parse_qs(content.decode("ascii", "replace"), keep_blank_values=True, errors="replace")

    def _check_form(self, taken: frozenset[bytes]) -> None:
        """What the header says of the content, before anybody looks at it."""
        content_type = self._headers.get(b"content-type", b"")
        fault = None if content_type in taken else fault_of_content_type(content_type, taken)
        if fault is not None:
            headers = accept_patch(taken) if MERGE_PATCH in taken else None  # RFC 5789 section 2.2
            raise Refused(Kind.CONTENT_TYPE_UNSUPPORTED, "Content-Type", "header", detail=fault, headers=headers)
        codings = self._headers.get(b"content-encoding")
        if codings is not None and any(coding.lower() != b"identity" for coding in list_members(codings)):
            detail, headers = "The content must not have a content encoding.", {"Accept-Encoding": "identity"}
            raise Refused(Kind.CONTENT_TYPE_UNSUPPORTED, "Content-Encoding", "header", detail=detail, headers=headers)

    async def _read(self) -> bytes:
        """Read no more than what may be sent; what is announced to be more is not read at all."""
        if int(self._headers.get(b"content-length", b"0")) > BODY_LIMIT:
            raise Refused(Kind.CONTENT_TOO_LARGE)
        content, more = b"", True
        while more:
            message: Any = await self.receive()
            if message["type"] == "http.disconnect":
                raise Refused(Kind.REQUEST_MALFORMED)
            content += message["body"]
            more = message.get("more_body", False)
            if len(content) > BODY_LIMIT:
                raise Refused(Kind.CONTENT_TOO_LARGE)
        return content


def _combined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The values of each header, in their order, as if they had come in one (RFC 9110 section 5.3)."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: b", ".join(found) for name, found in values.items()}


def _repeated(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The first header that is no list and came more than once."""
    names = [name for name, _ in headers]
    return next((name for name in names if name in SINGLE and names.count(name) > 1), None)


def accept_patch(taken: frozenset[bytes]) -> dict[str, str]:
    """Says what PATCH takes (RFC 5789 section 3.1), the usual one first."""
    return {"Accept-Patch": ", ".join(sorted((name.decode() for name in taken), reverse=True))}


def header_refused(name: bytes, detail: str | None = None) -> Refused:
    """A header that does not have its form."""
    return Refused(Kind.PARAMETER_INVALID, name.decode().title(), "header", detail=detail)
