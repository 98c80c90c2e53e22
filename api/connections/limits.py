"""What one process and one connection may take up, all of it before anybody has shown a token."""

import msgspec

from api.http.requests import BODY_LIMIT


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one process and its connections. Octets, seconds, and numbers of things."""

    connections: int = 1_000
    """Open connections of a process. Each may hold about a quarter of a megabyte, if somebody means ill."""
    parting: int = 100
    """Connections, besides, that only wait for the other side to read why it was refused."""
    head_octets: int = 32_768
    """A request's head: what the usual proxies let pass. Also how much is parsed at a time."""
    fields: int = 100
    """Fields of a head; browsers behind two proxies send about thirty."""
    target_octets: int = 8_192
    """A request's target; RFC 9112 section 3 asks for 8,000 at least."""
    content_octets: int = BODY_LIMIT
    """Content that a handler would take, and that is held for one that has not read it yet."""
    framed_octets: int = 8 * BODY_LIMIT
    """Content with its framing: room for chunks of one octet each, but not for extensions without end."""
    pipelined: int = 16
    """Requests that wait for the answers to earlier ones: a piece of 32 KiB could bring more than a thousand."""
    parting_octets: int = 4 * 1024 * 1024
    """What a refused peer may go on to send before it is cut off, so that it comes to read why."""

    head_seconds: float = 10.0
    """From the connection, or the first octet of a later request, to the end of the head."""
    content_seconds: float = 30.0
    """From the end of the head to the end of the content: at the most that is allowed, 2 KiB/s."""
    idle_seconds: float = 75.0
    """Between requests: longer than the usual 60 s of a proxy, which then is the one to close."""
    write_seconds: float = 60.0
    """Without anything of an answer being taken. Kernels free their buffers in large steps, hence so long."""
    parting_seconds: float = 2.0
    """To read why one was refused."""

    @property
    def pace(self) -> float:
        """How often deadlines are looked at: this much later than promised a connection may end."""
        return min(1.0, self.head_seconds / 4, self.content_seconds / 4, self.idle_seconds / 4, self.write_seconds / 4)
