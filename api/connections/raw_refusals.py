"""Problem documents for requests that never reach the application, as they go over the connection."""

from collections.abc import Iterable
from functools import cache

import msgspec

from api.http.problems import MEDIA_TYPE, Kind, Refused


def raw_refusal(kind: Kind, fields: Iterable[tuple[bytes, bytes]], *, is_head: bool = False) -> bytes:
    """A whole answer, after which the connection ends; HEAD gets its head only. `fields` come first, such as Date."""
    status_line, others, content = _parts(kind)
    first = b"".join(b"%b: %b\r\n" % field for field in fields)
    return b"".join([status_line, first, others, b"" if is_head else content])


@cache
def _parts(kind: Kind) -> tuple[bytes, bytes, bytes]:
    refused = Refused(kind)
    content = msgspec.json.encode(refused.problem)
    fields = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(content)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **{name.lower(): value for name, value in refused.headers.items()},
        "connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {kind.status.value} {kind.status.phrase}\r\n".encode(), f"{head}\r\n".encode(), content
