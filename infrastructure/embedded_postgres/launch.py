"""Starting PostgreSQL's programs as the user who may run them."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import final

from infrastructure.embedded_postgres.errors import EmbeddedPostgresError
from infrastructure.embedded_postgres.server_account import ServerAccount
from infrastructure.embedded_postgres.server_log import ServerLog
from infrastructure.files.file_lock import FileLock

# Not ours, which may hold secrets that anyone who may run commands in the database could read.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@final
class ServerProcess:
    """A server that this process started, and must wait for, else it stays a zombie, whoever stops it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._end = Thread(target=process.wait, name="embedded-postgres", daemon=True)
        self._end.start()

    def status(self) -> int:
        """Wait until it has ended; its exit status, or the signal that killed it as a negative number."""
        self._end.join()
        return self._process.returncode


@dataclass(frozen=True)
class Launcher:
    """Runs programs as `account`, with their words going to `log`; they and their children inherit the lock `alive`."""

    account: ServerAccount
    log: ServerLog
    alive: FileLock

    def run(self, command: Sequence[str], *, needed: Iterable[Path]) -> None:
        """Run a program to its end; EmbeddedPostgresError, with what it said, if it fails."""
        start_of_words = self.log.end()
        with self._started(command, needed, background=False) as process:
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if status:
            message = f"{command[0]} failed:\n{self.log.words_since(start_of_words)}"
            raise EmbeddedPostgresError(message)

    def start_server(self, command: Sequence[str], *, needed: Iterable[Path]) -> ServerProcess:
        """Start a program that survives this process, and that the terminal's Ctrl-C does not reach."""
        return ServerProcess(self._started(command, needed, background=True))

    def _started(self, command: Sequence[str], needed: Iterable[Path], *, background: bool) -> subprocess.Popen[bytes]:
        switch = self.account.switch([Path(command[0]), *needed])
        try:
            with self.log.open() as log:
                return subprocess.Popen(
                    [*switch.prefix, *command],
                    user=switch.user,
                    group=switch.group,
                    extra_groups=switch.extra_groups,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=_ENVIRONMENT,
                    pass_fds=[self.alive.descriptor],
                    start_new_session=background,
                )
        except OSError as error:
            message = f"{command[0]} cannot be run as {self.account.name}: {error}"
            raise EmbeddedPostgresError(message) from error
