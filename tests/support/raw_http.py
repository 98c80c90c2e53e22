"""HTTP/1.1 as octets: sends them as they are, and reads answers without forgiving anything."""

import re
import socket
from typing import Any

import msgspec

PROBE = b"GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
"""A good request, which ends the connection: it is answered if the connection went on until then."""
PATIENCE = 30.0
"""Seconds after which a connection counts as left hanging."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z -]+")
_FIELD = re.compile(rb"([a-z0-9-]+): ([\x20-\x7e]*)")


class MalformedAnswerError(AssertionError):
    """What came is no answer."""


class Answer(msgspec.Struct, frozen=True):
    """One answer."""

    status: int
    fields: dict[str, str]
    content: bytes

    @property
    def code(self) -> str | None:
        """The code of a problem document, which every refusal must be; None if it is no refusal."""
        if self.status < 400:
            return None
        problem: dict[str, Any] = msgspec.json.decode(self.content)
        assert self.fields["content-type"] == "application/problem+json", self
        assert problem["status"] == self.status, self
        assert problem["type"] == f"urn:reprise:problem:{problem['code']}", self
        assert problem["detail"], self
        return str(problem["code"])


def address(url: str) -> tuple[str, int]:
    """Where a server listens."""
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def connect(url: str) -> socket.socket:
    """A connection that is not waited at for ever."""
    return socket.create_connection(address(url), timeout=PATIENCE)


def converse(url: str, *pieces: bytes) -> bytes:
    """Send pieces one after the other, and read until the server ends the connection."""
    with connect(url) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    octets = b""
    while True:
        try:
            more = connection.recv(65_536)
        except ConnectionResetError:
            return octets
        if not more:
            return octets
        octets += more


def answers_in(octets: bytes, *, to_head: bool = False) -> list[Answer]:
    """The answers one after the other, and nothing between. Raises `MalformedAnswerError`.

    `to_head`: the first one is to HEAD, and has no content.
    """
    found: list[Answer] = []
    while octets:
        answer, octets = _first_answer(octets, has_content=not (to_head and not found))
        found.append(answer)
    return found


def _first_answer(octets: bytes, *, has_content: bool) -> tuple[Answer, bytes]:
    head, separator, rest = octets.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    status, fields = _STATUS_LINE.fullmatch(status_line), [_FIELD.fullmatch(line) for line in lines]
    if not separator or status is None or None in fields:
        raise MalformedAnswerError(head[:200])
    by_name = {field[1].decode(): field[2].decode() for field in fields if field}
    if len(by_name) != len(fields):
        raise MalformedAnswerError(head[:200])
    content, rest = _content(by_name, int(status[1]), rest) if has_content else (b"", rest)
    return Answer(int(status[1]), by_name, content), rest


def _content(fields: dict[str, str], status: int, octets: bytes) -> tuple[bytes, bytes]:
    if status in {100, 204, 304}:
        return b"", octets
    if fields.get("transfer-encoding") == "chunked":
        return _chunks(octets)
    length = int(fields["content-length"])
    if len(octets) < length:
        raise MalformedAnswerError(f"{len(octets)} octets of {length}")
    return octets[:length], octets[length:]


def _chunks(octets: bytes) -> tuple[bytes, bytes]:
    content = b""
    while True:
        size, _, octets = octets.partition(b"\r\n")
        length = int(size, 16)
        if octets[length : length + 2] != b"\r\n":
            raise MalformedAnswerError(size)
        content, octets = content + octets[:length], octets[length + 2 :]
        if not length:
            return content, octets
