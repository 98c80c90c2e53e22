"""The server's side of a connection, with as few calls to the system as it takes."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class WholeAnswers(HttpToolsProtocol):
    """Sends the head of an answer together with its content: otherwise each is a call, and wakes the client up."""

    def connection_made(self, transport: Any) -> None:
        """Begin with a connection."""
        super().connection_made(_Gathering(transport, self.loop))  # type: ignore[arg-type] # all of one that is used


class _Gathering:
    """A transport that hands over what was written once the event loop has come round."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def write(self, octets: bytes) -> None:
        """Send, in a moment."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(octets)

    def close(self) -> None:
        """Send what was written, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written:
            octets = b"".join(self._written)
            self._written.clear()
            self._transport.write(octets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
