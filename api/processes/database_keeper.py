"""Keeps the embedded database from outliving a `reprise run` that is killed before its processes have joined it.

The database is stopped by its last user, and a process that is killed stops nothing. So a second process uses it, too,
until the run's other processes do, or until the kernel tells it that the run is gone: then it leaves as any user would,
and stops the database if it is the last one.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.settings import Settings


class Hold:
    """A second user of the database, in a process of its own."""

    def __init__(self, directory: Path) -> None:
        reading_end, self._writing_end = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this program itself
                [sys.executable, "-P", "-m", "api.processes.database_keeper", str(directory), str(reading_end)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[reading_end],
                start_new_session=True,
            )
        finally:
            os.close(reading_end)

    def let_go(self) -> None:
        """Have the second user leave, and wait until it has."""
        if self._process.returncode is None:
            os.close(self._writing_end)
            self._process.wait()


@contextmanager
def held_database(settings: Settings) -> Iterator[Hold | None]:
    """A hold on the embedded database; None if the settings name another database."""
    if not settings.is_embedded:
        yield None
        return
    hold = Hold(settings.home / "postgres")
    try:
        yield hold
    finally:
        hold.let_go()


def _hold_until_the_end_of(lifeline: int, directory: Path) -> None:
    with embedded_postgres(directory):
        os.read(lifeline, 1)


if __name__ == "__main__":
    with suppress(Exception):  # Whoever started this meets the same trouble, and tells it.
        _hold_until_the_end_of(int(sys.argv[2]), Path(sys.argv[1]))
