"""Child processes of `multiprocessing`: none outlives the one that started it, none is waited for without a bound."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

PATIENCE_SECONDS = 5.0
"""How long a process may take to end after each signal."""


def end_with_parent() -> None:
    """From now on, end this process as soon as the one that started it has ended, whatever this one is at.

    Nothing is finished or cleaned up: what a transaction has not committed is not done.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), name="end-with-parent", daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def end(process: BaseProcess) -> None:
    """Have a process end, also one that is frozen; returns when it has, or when even the kernel cannot end it now."""
    process.terminate()
    process.join(PATIENCE_SECONDS)
    if process.is_alive():
        process.kill()
        process.join(PATIENCE_SECONDS)
