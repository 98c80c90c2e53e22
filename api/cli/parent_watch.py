"""Ends a process together with the one that started it, however that one ends.

The supervisor holds the writing end of a pipe and never writes; its children watch the reading end. When the supervisor
is gone, the kernel closes the pipe. This works on every Unix, without a race, and needs no process ids.
"""

import os
import signal
import threading
import time

LIFELINE = "REPRISE_LIFELINE"
"""The environment variable with the number of the reading end."""
GRACE_SECONDS = 20.0
"""How long an orphan may take to finish what it is at."""


def watch_lifeline() -> None:
    """If this process was started by a supervisor, end when it does."""
    number = os.environ.pop(LIFELINE, None)
    if number is not None:
        threading.Thread(target=_end_with_supervisor, args=(int(number),), name="lifeline", daemon=True).start()


def _end_with_supervisor(reading_end: int) -> None:
    os.read(reading_end, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
