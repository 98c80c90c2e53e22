"""Arguments that are more than text."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cyclopts import Token


def instant(_: Any, tokens: Sequence[Token]) -> datetime:
    """A moment in ISO 8601; in UTC, unless it has an offset."""
    try:
        parsed = datetime.fromisoformat(tokens[0].value)
    except ValueError:
        raise ValueError("an instant looks like 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
