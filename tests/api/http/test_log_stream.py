"""Writing to a log never fails whoever writes, and what was lost is told."""

import os
from collections.abc import Iterator

import pytest

from api.http.log_stream import LogStream


class Pipe:
    """A place for a log that has room for some thousand octets until it is read."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        os.set_blocking(self.writing, False)

    def read(self) -> bytes:
        octets = b""
        while True:
            try:
                piece = os.read(self.reading, 65_536)
            except BlockingIOError:
                return octets
            if not piece:
                return octets
            octets += piece


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reading)
    os.close(made.writing)


def log_to(descriptor: int) -> LogStream:
    return LogStream(descriptor, lambda lines: b"lost %d\n" % lines)


def filled(stream: LogStream, line: bytes) -> int:
    """Write until there is room no more, and some more; how many lines were written."""
    count = 1_000_000 // len(line)
    for _ in range(count):
        assert stream.write(line) == len(line)
    return count


@pytest.mark.parametrize("length", [10, 100, 3_000, 70_000])
def test_lines_that_find_no_room_are_lost_and_counted(pipe: Pipe, length: int) -> None:
    stream, line = log_to(pipe.writing), b"x" * (length - 1) + b"\n"
    written = filled(stream, line)

    first = pipe.read().splitlines(keepends=True)
    stream.write(b"after\n")
    rest = pipe.read().splitlines(keepends=True)

    whole = first.count(line)
    assert whole < written
    assert rest[-2:] == [b"lost %d\n" % (written - whole), b"after\n"]
    torn = [piece for piece in [*first, *rest[:-2]] if piece != line]
    assert b"".join(torn).strip(b"x\n") == b""
    assert len(torn) <= 2  # The beginning of a line, and the line feed after it.


def test_a_place_that_is_gone_fails_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = log_to(writing)

    assert stream.write(b"line\n") == 5

    os.close(writing)
    assert stream.write(b"line\n") == 5


def test_what_there_is_room_for_is_written_at_once(pipe: Pipe) -> None:
    stream = log_to(pipe.writing)

    stream.write(b"one\n")

    assert pipe.read() == b"one\n"
    stream.write(b"two\n")
    assert pipe.read() == b"two\n"
