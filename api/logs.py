"""Structured logs: one JSON object on one line for each event, on standard error."""

import logging
import sys
from typing import Any

import msgspec
import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Have every part of this process log in one form."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _encode(entry: dict[str, Any], **_: Any) -> bytes:
    return msgspec.json.encode({name: value for name, value in entry.items() if value is not None}, enc_hook=repr)
