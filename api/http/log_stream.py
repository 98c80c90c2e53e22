"""Standard error as the place of a log that never fails whoever writes to it."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress


class LogStream:
    """Writes whole lines to a file descriptor at once; what cannot be written, as on a full disk, is counted.

    The next line that can be is preceded by one that says how many were lost.
    """

    def __init__(self, descriptor: int, line_about_lost: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._line_about_lost = line_about_lost
        self._turn = threading.Lock()
        self._lost = 0
        self._is_torn = False

    def write(self, line: bytes) -> int:
        """Write a line that ends with a line feed, or lose it; its length."""
        with self._turn:
            before = self._line_about_lost(self._lost) if self._lost else b""
            if self._wrote((b"\n" if self._is_torn else b"") + before + line):
                self._lost, self._is_torn = 0, False
            else:
                self._lost += 1
        return len(line)

    def flush(self) -> None:
        """Nothing: no line waits."""

    def _wrote(self, octets: bytes) -> bool:
        written = 0
        with suppress(OSError):
            while written < len(octets):
                written += os.write(self._descriptor, octets[written:])
        self._is_torn = self._is_torn or 0 < written < len(octets)
        return written == len(octets)
