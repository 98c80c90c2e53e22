"""Forgets idempotency keys that nobody will use again (docs/decisions/0011-retention-of-idempotency-keys.md)."""

import time
from collections.abc import Callable
from datetime import timedelta

from infrastructure.log.reader import Connection

EVERY_SECONDS = 60.0
AT_MOST = 5_000
"""Keys looked at in one transaction: some tens of milliseconds."""


def forgetting(older_than: timedelta) -> Callable[[Connection], bool]:
    """The work of a thread: forgets what is due, in pieces, when it begins and again each `EVERY_SECONDS`."""
    due = 0.0

    def forget(connection: Connection) -> bool:
        nonlocal due
        if time.monotonic() < due:
            return False
        if forget_commands(connection, older_than) >= AT_MOST:
            return True
        due = time.monotonic() + EVERY_SECONDS
        return False

    return forget


def forget_commands(connection: Connection, older_than: timedelta, at_most: int = AT_MOST) -> int:
    """Forget the keys of commands recorded longer ago (at least a day); how many were looked at."""
    row = connection.execute("SELECT log.forget_commands(%s, %s)", (older_than, at_most)).fetchone()
    return int(row[0]) if row else 0
