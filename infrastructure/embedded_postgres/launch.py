"""Starting PostgreSQL's programs as the user who may run them, with their words going to the log."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import final

from infrastructure.embedded_postgres.errors import EmbeddedPostgresError
from infrastructure.embedded_postgres.server_account import ServerAccount

# Not ours, which may hold secrets that anyone who may run commands in the database could read.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_LAST_WORDS = 2000  # bytes


@final
class ServerProcess:
    """A server that this process started and so has to wait for, or it stays a zombie, whoever stops it and whenever."""

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
    """Runs programs as `account`; what they say is appended to `log`."""

    account: ServerAccount
    log: Path

    def run(self, command: Sequence[str], *, needed: Iterable[Path]) -> None:
        """Run a program to its end; EmbeddedPostgresError, with what it said, if it fails."""
        start_of_words = self.end_of_log()
        with self._started(command, needed, background=False) as process:
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if status:
            message = f"{command[0]} failed:\n{self.words_since(start_of_words)}"
            raise EmbeddedPostgresError(message)

    def start_server(self, command: Sequence[str], *, needed: Iterable[Path], inherited: int) -> ServerProcess:
        """Start a program that the terminal's Ctrl-C does not reach, and that holds an open file of ours as well."""
        return ServerProcess(self._started(command, needed, background=True, inherited=(inherited,)))

    def end_of_log(self) -> int:
        """The size of the log by now, in bytes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def words_since(self, position: int) -> str:
        """The last that was written to the log after it had this size."""
        with self.log.open("rb") as log:
            log.seek(max(position, self.end_of_log() - _LAST_WORDS))
            return log.read().decode(errors="replace").strip()

    def _started(
        self, command: Sequence[str], needed: Iterable[Path], *, background: bool, inherited: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        switch = self.account.switch([Path(command[0]), *needed])
        try:
            with open(self.log, "ab", opener=_private) as log:
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
                    pass_fds=inherited,
                    start_new_session=background,
                )
        except OSError as error:
            message = f"{command[0]} cannot be run as {self.account.name}: {error}"
            raise EmbeddedPostgresError(message) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
