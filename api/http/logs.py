"""Structured logs: one JSON object on one line for each event, on standard error."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import msgspec
import structlog

from api.http.log_stream import LogStream


def configure_logging(level: int = logging.INFO) -> None:
    """Configure one log format for this process and the libraries that it uses."""
    stream = LogStream(sys.stderr.fileno(), _about_lost)
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", stream)),
        cache_logger_on_first_use=True,
    )
    handler = LibraryHandler(stream)
    handler.setFormatter(LibraryFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class LibraryHandler(logging.Handler):
    """Writes what libraries log to the same stream."""

    def __init__(self, stream: LogStream) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self._stream.write(self.format(record).encode() + b"\n")


class LibraryFormatter(logging.Formatter):
    """Formats what libraries log in the same way. Of an exception, only its type: its message can contain anything.

    Of a message, only the first line: in others, asyncio shows the objects involved, with all their data.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry = {
            "event": record.getMessage().partition("\n")[0],
            "logger": record.name,
            "error": record.exc_info[0].__qualname__ if record.exc_info and record.exc_info[0] else None,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC),
        }
        return _encode(entry).decode()


def _line(_: Any, level: str, entry: MutableMapping[str, Any]) -> bytes:
    return _encode({**entry, "level": level, "timestamp": datetime.now(UTC)})


def _about_lost(lines: int) -> bytes:
    return _line(None, "error", {"event": "log.lines_lost", "lines": lines}) + b"\n"


def _encode(entry: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in entry.items() if value is not None}, enc_hook=repr)
