"""A connection's way out, with as few calls to the system as it takes."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Any


class Outgoing:
    """A transport that hands over what was written once the event loop has come round.

    The head of an answer goes out together with its content: otherwise each is a call, and wakes the client up.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, finish: Callable[[], None]) -> None:
        self.transport = transport
        self.is_over = False
        """Nothing more is sent, and what comes is thrown away."""
        self._loop = loop
        self._finish = finish
        self._written: list[bytes] = []
        self._total = 0
        self._taken = 0
        self._taken_at = 0.0

    def write(self, octets: bytes) -> None:
        """Send, in a moment."""
        if not self._written:
            self._loop.call_soon(self.flush)
        self._written.append(octets)

    def close(self) -> None:
        """Send what was written, and end the connection as its owner sees fit."""
        self.flush()
        self._finish()

    def flush(self) -> None:
        """Send what was written."""
        if not self._written:
            return
        octets = b"".join(self._written)
        self._written.clear()
        if not self.is_over and not self.transport.is_closing():
            self._total += len(octets)
            self.transport.write(octets)

    def is_stalled(self, now: float, seconds: float) -> bool:
        """Whether the peer has taken nothing for so long, though there is something for it."""
        if not self.transport.get_write_buffer_size():
            self._taken_at = now
            return False
        taken = self._total - self.transport.get_write_buffer_size() - self._in_the_kernel()
        if taken != self._taken or not self._taken_at:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at > seconds

    def _in_the_kernel(self) -> int:
        """Octets that the peer has not acknowledged; 0 where the system does not tell."""
        try:
            connection = self.transport.get_extra_info("socket")
            waiting: int = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
        except (AttributeError, OSError):
            return 0
        return waiting

    def holds_back(self) -> bool:
        """Whether there is something that the peer has not taken."""
        return bool(self.transport.get_write_buffer_size())

    def abort(self) -> None:
        """Close immediately; unsent data is lost."""
        self.is_over = True
        self.transport.abort()
