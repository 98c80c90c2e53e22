"""Reads the lines of a file or pipe, whatever they are: in bounded memory, and without keeping others waiting."""

import asyncio
import contextlib
import hashlib
import select
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from io import RawIOBase

from application.imports.import_people import Line

CHUNK = 1 << 18
LINE_LIMIT = 1 << 16
"""The maximum length of a line in octets; a person takes some hundreds."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_TEXT = {
    b"\x1f\x8b": "The file is compressed with gzip: unpack it, or pipe it in with `gunzip -c FILE | reprise import -`.",
    b"PK\x03\x04": "The file is a ZIP archive or a spreadsheet, not JSON Lines.",
    b"\x28\xb5\x2f\xfd": "The file is compressed with Zstandard: unpack it first.",
    b"\xff\xfe\x00\x00": "The file is in UTF-32: convert it to UTF-8.",
    b"\xff\xfe": "The file is in UTF-16: convert it to UTF-8.",
    b"\xfe\xff": "The file is in UTF-16: convert it to UTF-8.",
    b"{\x00": "The file is in UTF-16: convert it to UTF-8.",
    b"\x00{": "The file is in UTF-16: convert it to UTF-8.",
    b"\x00\x00": "The file is in UTF-32: convert it to UTF-8.",
}
"""How files begin that somebody may take for a people file, and what to do about it."""
_LONGEST_MAGIC = 4


class NotJsonLinesError(Exception):
    """No line of the file could be read; the message says what the file is."""


async def read_lines(file: RawIOBase, on_read: Callable[[int], None] = lambda _: None) -> AsyncIterator[Line]:
    """The lines of an open file, without line ends; `on_read` is called with the number of octets read.

    Raises `NotJsonLinesError` if the first octets are those of something else.
    """
    splitter = _Splitter()
    beginning = b""
    while chunk := await _read(file):
        if len(beginning) < _LONGEST_MAGIC:  # A pipe may give out one octet at a time.
            beginning += chunk[:_LONGEST_MAGIC]
            _must_be_text(beginning)
        on_read(len(chunk))
        for line in splitter.split(chunk):
            yield line
    for line in splitter.end():
        yield line


def _must_be_text(beginning: bytes) -> None:
    for magic, sentence in _NOT_TEXT.items():
        if beginning.startswith(magic):
            raise NotJsonLinesError(sentence)


async def _read(file: RawIOBase) -> bytes:
    """What can be read now. A pipe may keep silent for long: nobody waits for this thread, not even at the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def settle(chunk: bytes, error: OSError | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(chunk)

    def read() -> None:
        chunk, error = b"", None
        try:
            while (found := file.read(CHUNK)) is None:  # A pipe that does not block, and has nothing yet.
                select.select([file], [], [])
            chunk = found
        except OSError as its_own:
            error = its_own
        with contextlib.suppress(RuntimeError):  # The loop was closed meanwhile.
            loop.call_soon_threadsafe(settle, chunk, error)

    threading.Thread(target=read, name="people-file", daemon=True).start()
    return await future


class _Splitter:
    """Makes lines out of chunks; of a line that is too long it keeps nothing but the number."""

    def __init__(self) -> None:
        self._number = 0
        self._rest = b""
        self._is_too_long = False

    def split(self, chunk: bytes) -> Iterator[Line]:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._add(piece)
            yield self._line()
        self._add(rest)

    def end(self) -> Iterator[Line]:
        if self._rest or self._is_too_long:
            yield self._line()

    def _add(self, piece: bytes) -> None:
        self._rest += piece
        if len(self._rest) > LINE_LIMIT:
            self._rest, self._is_too_long = b"", True

    def _line(self) -> Line:
        self._number += 1
        content = None if self._is_too_long else self._rest
        self._rest, self._is_too_long = b"", False
        while content and content.startswith(_BYTE_ORDER_MARK):  # Files with one each may have been joined.
            content = content.removeprefix(_BYTE_ORDER_MARK)
        return Line(self._number, content)


class MarksOnDisk:
    """A set of texts that grows on disk, in a file that has no name and goes away with the process."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE mark (digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def __contains__(self, mark: str) -> bool:
        return self._database.execute("SELECT 1 FROM mark WHERE digest = ?", (_digest(mark),)).fetchone() is not None

    def add(self, mark: str) -> None:
        self._database.execute("INSERT OR IGNORE INTO mark VALUES (?)", (_digest(mark),))

    def close(self) -> None:
        """Give the disk's space back."""
        self._database.close()


def _digest(mark: str) -> bytes:
    return hashlib.blake2b(mark.encode(), digest_size=16).digest()
