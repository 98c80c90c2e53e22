"""A request as controllers see it: who sends it, its headers, its content decoded strictly."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast
from uuid import UUID

import msgspec
from litestar.connection import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import Empty, Receive, Scope, Send

from api.problems import Kind, Refused
from application.access import Access, AccessTokens
from application.service import Service

BODY_LIMIT = 65_536
"""Octets in a request's content."""
JSON = b"application/json"
MERGE_PATCH = b"application/merge-patch+json"

SINGLE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-type",
        b"correlation-id",
        b"idempotency-key",
        b"min-log-position",
        b"reprise-purpose",
        b"reprise-reason",
    }
)
"""Headers that mean nothing as a list."""

_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*)`\Z", re.DOTALL)
_FIELD = re.compile(r"Object (contains unknown|missing required) field `([A-Za-z][A-Za-z0-9_-]{0,63})`\Z")


class ContentForm(msgspec.Struct, frozen=True):
    """What content a handler takes."""

    decoder: msgspec.json.Decoder[Any] | None
    is_required: bool
    media_types: frozenset[bytes]


class ApiRequest(Request[None, Access, State]):
    """One request."""

    access: Access
    """What the sender's token stands for; not there where no token is needed."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        received = cast("list[tuple[bytes, bytes]]", scope["headers"])
        self._headers = dict(received)
        self.repeated_header: bytes | None = None
        """A header that is no list and came more than once: someone on the way may have gone by the other one."""
        if len(self._headers) < len(received):
            self._headers = _combined(received)
            self.repeated_header = _repeated(received)

    @property
    def service(self) -> Service:
        """The application."""
        return self.app.state.service  # type: ignore[no-any-return]

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
                self._check_media_type(form)
            elif form.is_required:
                raise Refused(Kind.CONTENT_MISSING, source="body")
            if content.strip() not in {b"", b"{}"} and form.decoder is None:
                raise Refused(Kind.CONTENT_UNEXPECTED, source="body")
            self._body = content
        return self._body

    async def json(self) -> Any:
        """The content as exactly the type the handler declares: nothing is coerced, no field is ignored."""
        decoder = content_form(self.route_handler).decoder
        return decode(decoder, await self.body()) if decoder else None

    def _check_media_type(self, form: ContentForm) -> None:
        media_type, _, parameters = self._headers.get(b"content-type", b"").partition(b";")
        charset = parameters.strip().lower().replace(b'"', b"")
        if (
            media_type.strip().lower() not in form.media_types
            or charset not in {b"", b"charset=utf-8"}
            or self._headers.get(b"content-encoding", b"identity") != b"identity"
        ):
            raise Refused(Kind.CONTENT_TYPE_UNSUPPORTED, "Content-Type", "header")

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


def header_refused(name: bytes, detail: str | None = None) -> Refused:
    """A header that does not have its form."""
    return Refused(Kind.PARAMETER_INVALID, name.decode().title(), "header", detail=detail)


@cache
def content_form(handler: HTTPRouteHandler) -> ContentForm:
    """What content a handler takes: that of its parameter `data`, if it has one."""
    data = handler.parsed_fn_signature.parameters.get("data")
    media_types = {JSON, MERGE_PATCH} if "PATCH" in handler.http_methods else {JSON}
    if data is None:
        return ContentForm(None, is_required=False, media_types=frozenset(media_types))
    decoder = msgspec.json.Decoder(data.annotation)
    return ContentForm(decoder, is_required=not data.is_optional, media_types=frozenset(media_types))


def decode(decoder: msgspec.json.Decoder[Any], content: bytes) -> Any:
    """Decode JSON as one type. Raises `Refused`, naming the field."""
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        raise _content_invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(Kind.CONTENT_MALFORMED, source="body") from None


def _content_invalid(message: str) -> Refused:
    """Name the field, in wire form; never say what was in it."""
    found = _PLACE.search(message)
    place = found.group(1) if found else ""
    message = message[: found.start()] if found else message
    named = _FIELD.match(message)
    if named is None:
        return Refused(Kind.CONTENT_INVALID, place or None, "body", detail=_expectation(message))
    fault = "This field is not known." if named.group(1) == "contains unknown" else "This field is required."
    return Refused(Kind.CONTENT_INVALID, ".".join(filter(None, [place, named.group(2)])), "body", detail=fault)


def _expectation(message: str) -> str | None:
    """What was expected, in msgspec's words; some of its sentences quote the value."""
    return f"{message}." if message.startswith(("Expected ", "Invalid RFC3339", "Invalid UUID")) else None
