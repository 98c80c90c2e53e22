"""Reads requests from what comes over a connection, within limits; nothing is held that has no bound."""

from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from api.connections.heads import Refusal, check_head, framing_of, origin_form
from api.connections.limits import Limits
from api.http.problems import Kind

Scope = dict[str, Any]


class Requests(Protocol):
    """Who takes the requests that are read."""

    def begin(self, scope: Scope, *, keeps_alive: bool, is_small: bool, expects_continue: bool) -> None:
        """A head is complete. `is_small`: what content there is, is worth having for the sake of the connection."""

    def take(self, content: bytes) -> None:
        """Some content came."""

    def end(self) -> None:
        """The request is complete."""


class NothingMoreError(Exception):
    """What follows is not read: the connection ends with the answers that are due."""


class RequestReader:
    """Parses what comes; its methods `on_…` are called by the parser."""

    def __init__(self, limits: Limits, scope: Scope, requests: Requests) -> None:
        self.in_head = False
        self.in_content = False
        self.takes_more = True
        """Whether another request may begin."""
        self.head_octets = 0
        """Octets before the end of the next head; or more, if a piece had other things in it, too."""
        self._limits = limits
        self._scope = scope
        self._requests = requests
        self.on_body = requests.take
        self._parser = httptools.HttpRequestParser(self)
        # What follows a request with `Connection: close` is no fault of that request: here it ends in `takes_more`.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._content_octets = 0
        self._is_chunked = False
        self._ended_one = False
        self._content_after_upgrade: bytes | None = None
        """The head with which a new parser goes on to the content of a request that offered an upgrade."""

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request is there, so that somebody may wait for an answer."""
        return self.in_content or self.in_head or self.head_octets > 0

    @property
    def is_head(self) -> bool:
        """Whether the request that is being read is for a head only, as far as is known."""
        return (self.in_head or self.in_content) and self._parser.get_method() == b"HEAD"

    def feed(self, data: bytes) -> None:
        """Parse what came. Raises `Refusal`, or `NothingMoreError`; after either, no more can be parsed."""
        size = self._limits.head_octets
        if len(data) <= size:
            self._feed(data)
            return
        for start in range(0, len(data), size):
            self._feed(data[start : start + size])

    def _feed(self, piece: bytes) -> None:
        self._ended_one = False
        if self.in_content:
            self._content_octets += len(piece)
        else:
            self.head_octets += len(piece)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_over_upgrade(piece[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            ours = isinstance(error.__context__, (Refusal, NothingMoreError))
            raise (error.__context__ if ours else Refusal(Kind.REQUEST_MALFORMED)) from None  # type: ignore[misc] # ours
        if self.in_head or self.in_content or self.head_octets:
            self._count()

    def _count(self) -> None:
        """Refuse what has grown too large and is not complete yet."""
        if self.in_head and self._ended_one:
            self.head_octets = self._octets_seen()
        if self.head_octets > self._limits.head_octets or self._has_too_many_fields():
            raise Refusal(Kind.HEAD_TOO_LARGE)
        if self._is_chunked and self._content_octets > self._limits.framed_octets:
            raise Refusal(Kind.CONTENT_TOO_LARGE)

    def _has_too_many_fields(self) -> bool:
        return len(self._fields) > self._limits.fields

    def _octets_seen(self) -> int:
        return len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._fields)

    # ---- what the parser tells

    def on_message_begin(self) -> None:
        """Begin with a request."""
        if not self.takes_more:
            raise NothingMoreError
        self.in_head = True
        self._target = b""
        self._fields = []

    def on_url(self, url: bytes) -> None:
        """Read a part of the target."""
        self._target += url
        if len(self._target) > self._limits.target_octets:
            raise Refusal(Kind.TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a field. Those behind the content could pass for what they are not, and nobody asks for them.

        Blanks around a value are not part of it (RFC 9112 section 5.1). The parser leaves those behind it, and refuses
        what else Python would take for one.
        """
        if self.in_head:
            self._fields.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        """Check the head, and hand the request over."""
        # What was counted may begin in the middle of a piece, behind another request.
        is_too_large = self.head_octets > self._limits.head_octets and self._octets_seen() > self._limits.head_octets
        if is_too_large or self._has_too_many_fields():
            raise Refusal(Kind.HEAD_TOO_LARGE)
        parser, version, method = self._parser, self._parser.get_http_version(), self._parser.get_method()
        by_name = check_head(version, self._fields)
        target, _, query = origin_form(method, self._target).partition(b"?")
        path = target.decode("ascii")
        scope = {
            **self._scope,
            "http_version": version,
            "method": method.decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": target,
            "query_string": query,
            "headers": self._fields,
            "state": {},
        }
        self.in_head, self.in_content, self.head_octets = False, True, 0
        self._begin(scope, by_name, keeps_alive=version == "1.1" and parser.should_keep_alive())

    def _begin(self, scope: Scope, by_name: dict[bytes, bytes], *, keeps_alive: bool) -> None:
        framing = framing_of(by_name)
        if framing is None:
            self._is_chunked = False
            self._requests.begin(scope, keeps_alive=keeps_alive, is_small=True, expects_continue=False)
            return
        self._is_chunked, self._content_octets = framing.length is None, 0
        expects_continue = b"expect" in by_name and scope["http_version"] == "1.1"
        if self._parser.should_upgrade():
            self._content_after_upgrade, keeps_alive = framing.as_head(), False
        is_small = not expects_continue and framing.length is not None and framing.length <= self._limits.content_octets
        self._requests.begin(scope, keeps_alive=keeps_alive, is_small=is_small, expects_continue=expects_continue)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._content_after_upgrade is None:
            self.in_content, self._ended_one = False, True
            self._requests.end()

    def _pass_over_upgrade(self, rest: bytes) -> None:
        """Nobody speaks anything but HTTP/1.1 here: the request is answered as if it had not offered to.

        The parser takes what follows for another protocol; content is left to a new one, and nothing comes after it.
        """
        if self._content_after_upgrade is not None:
            head, self._content_after_upgrade = self._content_after_upgrade, None
            self._parser = httptools.HttpRequestParser(_OnlyContent(self))
            self._parser.feed_data(head)
        if rest:
            self._feed(rest)


class _OnlyContent:
    """What a parser tells that reads nothing but the content of one request."""

    def __init__(self, reader: RequestReader) -> None:
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete
        self._has_begun = False

    def on_message_begin(self) -> None:
        """Begin, once."""
        if self._has_begun:
            raise NothingMoreError
        self._has_begun = True
