"""What a request's head must be like, beyond what the parser sees to.

Whatever two programs in a row could understand differently is refused (RFC 9112, section 11.2: request smuggling).
"""

import re

import httptools
import msgspec

from api.http.header_values import list_members
from api.http.problems import Kind

Fields = list[tuple[bytes, bytes]]

VERSIONS = frozenset({"1.0", "1.1"})
LENGTH_DIGITS = 15
"""The parser takes any number of zeros before a length; nobody who means well sends them."""
ONLY_ONCE = (b"host", b"content-length", b"transfer-encoding", b"expect")
"""Fields that say where a request goes and ends; the API itself sees to those that it reads."""

_HOST = re.compile(
    rb"""
    (?: [A-Za-z0-9._~!$&'()*+,;=-]* (?: %[0-9A-Fa-f]{2} [A-Za-z0-9._~!$&'()*+,;=-]* )*
      | \[ (?: [0-9A-Fa-f:.]+ | v[0-9A-Fa-f]+ \. [A-Za-z0-9._~!$&'()*+,;=:-]+ ) \] )
    (?: :[0-9]{0,5} )?
    """,
    re.VERBOSE,
)
"""`uri-host [ ":" port ]` (RFC 9112 section 3.2, RFC 3986 section 3.2.2)."""


class Refusal(Exception):
    """A request is refused for its head, or for being too much."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.code)
        self.kind = kind


class Framing(msgspec.Struct, frozen=True):
    """How the content of a request is framed: by its length, or in chunks."""

    length: int | None

    def as_head(self) -> bytes:
        """The shortest head of a request with such content."""
        field = "Transfer-Encoding: chunked" if self.length is None else f"Content-Length: {self.length}"
        return f"POST / HTTP/1.1\r\n{field}\r\n\r\n".encode()


def framing_of(fields: dict[bytes, bytes]) -> Framing | None:
    """How the content is framed, if there is any."""
    if b"transfer-encoding" in fields:
        return Framing(None)
    length = int(fields.get(b"content-length", b"0"))
    return Framing(length) if length else None


def check_head(version: str, fields: Fields) -> dict[bytes, bytes]:
    """The fields by their names, in lower case. Raises `Refusal`."""
    by_name = dict(fields)
    if version not in VERSIONS:
        raise Refusal(Kind.REQUEST_MALFORMED)
    if len(by_name) < len(fields):
        _check_repeated([name for name, _ in fields])
    host = by_name.get(b"host")
    # HTTP/1.1 demands the field, HTTP/1.0 does not know it.
    if (host is None and version == "1.1") or (host is not None and not _HOST.fullmatch(host)):
        raise Refusal(Kind.REQUEST_MALFORMED)
    if b"content-length" in by_name or b"transfer-encoding" in by_name:
        _check_framing(by_name, version)
    if b"expect" in by_name and any(what.lower() != b"100-continue" for what in list_members(by_name[b"expect"])):
        raise Refusal(Kind.EXPECTATION_FAILED)
    return by_name


def origin_form(method: bytes, target: bytes) -> bytes:
    """A request's target as a path with its query; an absolute URI is reduced to them. Raises `Refusal`."""
    if b"#" in target or method == b"CONNECT":
        raise Refusal(Kind.REQUEST_MALFORMED)
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target
    return _path_of(target)


def _path_of(uri: bytes) -> bytes:
    try:
        parsed = httptools.parse_url(uri)
    except httptools.HttpParserInvalidURLError:
        raise Refusal(Kind.REQUEST_MALFORMED) from None
    if (parsed.schema or b"").lower() not in {b"http", b"https"} or not parsed.host or parsed.userinfo:
        raise Refusal(Kind.REQUEST_MALFORMED)
    return (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")


def _check_repeated(names: list[bytes]) -> None:
    if any(names.count(name) > 1 for name in ONLY_ONCE):
        raise Refusal(Kind.REQUEST_MALFORMED)


def _check_framing(fields: dict[bytes, bytes], version: str) -> None:
    """Both ways of framing at once, and a length that is none, the parser refuses itself."""
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
        raise Refusal(Kind.REQUEST_MALFORMED)
    if len(fields.get(b"content-length", b"")) > LENGTH_DIGITS:
        raise Refusal(Kind.REQUEST_MALFORMED)
