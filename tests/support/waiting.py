"""Waiting for a condition, for as long as it may reasonably take and no longer."""

import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.01


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as a condition holds; fail the test if it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        pause.wait(PAUSE_SECONDS)
