"""A PostgreSQL server of one's own, which may be stopped without a word and brought up again."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it has no stubs of its own

from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.postgres.database import migrate_embedded


class OwnServer:
    """A migrated database on a server that nobody else uses."""

    def __init__(self, directory: Path, users: ExitStack) -> None:
        self._directory = directory
        self._users = users
        self._running = users.enter_context(embedded_postgres(directory))
        self.conninfo = self._running.conninfo()
        migrate_embedded(self.conninfo)

    def stop(self, how: signal.Signals) -> None:
        """SIGQUIT is an immediate shutdown: nothing is flushed, and the log has to be recovered; SIGINT a fast one."""
        server = psutil.Process(self._running.pid)
        server.send_signal(how)
        server.wait(60)

    def restart(self, how: signal.Signals) -> None:
        """Stop it, and bring it up again."""
        self.stop(how)
        self._running = self._users.enter_context(embedded_postgres(self._directory))
        assert self._running.conninfo() == self.conninfo


@contextmanager
def own_server(directory: Path) -> Iterator[OwnServer]:
    """A server for one test."""
    with ExitStack() as users:
        yield OwnServer(directory, users)
