"""The instants that examples happen at."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
TODAY = NOW.date()
CONFIRM_BY = NOW + timedelta(days=3)
ERASE_AFTER = NOW + timedelta(days=30)
MOMENT = timedelta(microseconds=1)
