"""A claim on something shared, which the kernel withdraws when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self, final


@final
class FileLock:
    """An flock(2) on one open file, not locked yet. Every process that inherits the file holds the lock too."""

    def __init__(self, path: Path) -> None:
        self.descriptor: int = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def acquire(self) -> None:
        """Wait until nobody else holds the file in any way."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def share(self) -> None:
        """Wait until nobody holds the file exclusively."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def try_acquire(self) -> bool:
        """Take the file if nobody else holds it. A refusal also gives up a share held so far."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the file up on behalf of every process that inherited it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Stop holding the file in this process; those that inherited it still do."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Closing alone would leave the lock with a child that was forked meanwhile.
        self.release()
        self.close()
