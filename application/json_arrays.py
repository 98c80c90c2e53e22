"""JSON arrays of any length with one item on each line, written piece by piece in constant memory."""

from collections.abc import Iterable
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


class JsonArray:
    """An array that is being written; without its end, whoever has only the beginning notices."""

    def __init__(self) -> None:
        self._separator = b"[\n"

    def more(self, items: Iterable[Any]) -> bytes:
        """Further items."""
        lines = b",\n".join(map(_ENCODER.encode, items))
        if not lines:
            return b""
        piece, self._separator = self._separator + lines, b",\n"
        return piece

    def end(self) -> bytes:
        """What is left to write after the last item."""
        return b"\n]" if self._separator == b",\n" else b"[]"
