"""Waits for a condition: the only place in the tests where time passes on purpose."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 240.0
"""How long anything may take: whatever takes longer never ends. Machines that are busy with other things are slow."""

T = TypeVar("T")


class NeverHappenedError(AssertionError):
    """The condition did not come true in the time that was given."""


def eventually(condition: Callable[[], T], what: str, within_seconds: float = PATIENCE_SECONDS) -> T:
    """Ask again and again until the answer is truthy, and return it."""
    deadline = time.monotonic() + within_seconds
    pause = threading.Event()
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise NeverHappenedError(f"{what}: not within {within_seconds} s")
        pause.wait(POLL_SECONDS)
    return answer
