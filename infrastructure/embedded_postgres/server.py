"""The one server of a directory: joined if it is running, started if it is not, stopped by its last user."""

import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import final

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from infrastructure.embedded_postgres.data_directory import forget_misleading_process_id, initialise
from infrastructure.embedded_postgres.errors import EmbeddedPostgresError
from infrastructure.embedded_postgres.launch import Launcher, ServerProcess
from infrastructure.embedded_postgres.libpq_environment import forget_environment
from infrastructure.embedded_postgres.programs import installed_programs
from infrastructure.embedded_postgres.server_account import ServerAccount, invoking_user, owner_of
from infrastructure.embedded_postgres.server_log import ServerLog
from infrastructure.embedded_postgres.server_socket import (
    PORT,
    listening_process,
    provide_socket_directory,
    remove_socket_directory,
    socket_in,
)
from infrastructure.embedded_postgres.settings import command_line, write_authentication
from infrastructure.files.file_lock import FileLock

DATABASE = "reprise"
SUPERUSER = "postgres"
_POLL = 0.02  # seconds, and so are these
_PATIENCE_TO_START = 300  # for recovery after a crash; a server that dies is noticed at once
_PATIENCE_TO_STOP = {signal.SIGINT: 60, signal.SIGQUIT: 15}  # fast shutdown, immediate shutdown
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running server that this process shares with the others that use its directory."""

    socket_directory: Path
    pid: int

    def conninfo(self, database: str = DATABASE, user: str = SUPERUSER) -> str:
        """How psycopg connects to one of its databases; as superuser, unless it is to be somebody else."""
        return make_conninfo(host=str(self.socket_directory), port=PORT, user=user, dbname=database)


@contextmanager
def embedded_postgres(directory: Path, *, options: Mapping[str, str] = _NO_OPTIONS) -> Generator[EmbeddedPostgres]:
    """Use the server whose data is in `directory`, as one of any number of processes at a time.

    The first user makes the data and starts the server with its `options` (PostgreSQL settings); others join it; the
    last one to leave stops it. A user that is killed has left but stops nothing: the next one joins the server, or
    brings it up again. Raises EmbeddedPostgresError, saying what to do, where no server can run.

    From then on, this process and those that it starts have no variables for other servers of PostgreSQL any more.
    """
    forget_environment(wholly=True)
    directory = _provided(directory)
    # Users start or stop the server one at a time, and each holds a share of "users" for as long as it is one.
    with FileLock(directory / "users.lock") as users, FileLock(directory / "turn.lock") as turn:
        turn.acquire()
        users.share()
        server = _Server(directory, options)
        try:
            running = server.start_or_join()
            turn.release()
            yield running
        finally:
            turn.acquire()
            if users.try_acquire():
                server.stop()


def serving_process(directory: Path) -> int | None:
    """The id of the server's process, also of one that is too busy to answer; None if none accepts connections."""
    return listening_process(socket_in(directory))


def _provided(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        message = f"{directory} belongs to another user. Run as that user, or set REPRISE_HOME."
        raise EmbeddedPostgresError(message)
    if os.geteuid() == 0:
        directory.chmod(0o711)  # The server's user is another then, and has to pass through to its data.
    return directory.resolve()


@final
class _Server:
    """What a user does with the server when it is its turn.

    Every process of the server, and of making its data, inherits `server.lock` and holds it until it ends, so the
    kernel knows whether any is alive. A process id would not tell: it may be someone else's by now.
    """

    def __init__(self, directory: Path, options: Mapping[str, str]) -> None:
        self._directory = directory
        self._options = options
        self._account = ServerAccount.for_data(directory / "data")
        self._log = ServerLog(directory / "postgres.log")
        self._start_of_words = self._log.end()
        self._started: ServerProcess | None = None
        self._refusal: psycopg.OperationalError | None = None

    def start_or_join(self) -> EmbeddedPostgres:
        """Wait for a server that accepts connections, starting one if none is alive."""
        deadline = time.monotonic() + _PATIENCE_TO_START
        while time.monotonic() < deadline:
            alive = self._is_alive()
            if alive and (running := self._ready()):
                return running
            if not alive:
                self._start()
            time.sleep(_POLL)
        raise self._failure("is alive but accepts no connections") from self._refusal

    def stop(self) -> None:
        """Stop the server if it is alive, and do not return before its last process has ended."""
        if not any(self._ended_after(request, patience) for request, patience in _PATIENCE_TO_STOP.items()):
            raise self._failure("does not stop")
        if self._started:
            self._started.status()
        remove_socket_directory(self._directory)

    def _is_alive(self) -> bool:
        with FileLock(self._directory / "server.lock") as lock:
            return not lock.try_acquire()

    def _ready(self) -> EmbeddedPostgres | None:
        path = socket_in(self._directory)
        process_id = listening_process(path)
        if process_id is None:
            return None
        running = EmbeddedPostgres(path.parent, process_id)
        try:
            _provide_database(running)
        except psycopg.OperationalError as refusal:  # It is starting up or shutting down, unless this persists.
            self._refusal = refusal
            return None
        return running

    def _start(self) -> None:
        if self._started:
            raise self._failure(f"ended with status {self._started.status()} while it was starting")
        alive = FileLock(self._directory / "server.lock")
        try:
            alive.acquire()
            self._started = self._launched(Launcher(self._account, self._log, alive))
        finally:
            alive.close()  # and not released: from now on it is the server's

    def _launched(self, launcher: Launcher) -> ServerProcess:
        data, programs = self._directory / "data", installed_programs()
        initialise(data, launcher, programs)
        forget_misleading_process_id(data)
        # Not the server's own user: that may be `nobody`, as whom others run things, too.
        write_authentication(self._directory, sorted({invoking_user(), owner_of(self._directory)}))
        place = provide_socket_directory(self._directory, self._account)
        command = command_line(programs, directory=self._directory, socket_directory=place, options=self._options)
        return launcher.start_server(command, needed=[data, place])

    def _ended_after(self, request: signal.Signals, patience: float) -> bool:
        deadline = time.monotonic() + patience
        asked = False
        while self._is_alive():
            if time.monotonic() > deadline:
                return False
            asked = asked or self._ask(request)
            time.sleep(_POLL)
        return True

    def _ask(self, request: signal.Signals) -> bool:
        process_id = listening_process(socket_in(self._directory))
        if process_id is None:  # It has only just been started.
            return False
        with suppress(ProcessLookupError):
            os.kill(process_id, request)
        return True

    def _failure(self, what: str) -> EmbeddedPostgresError:
        words = self._log.words_since(self._start_of_words)
        return EmbeddedPostgresError(f"PostgreSQL in {self._directory} {what}. {self._log.path} says:\n{words}")


def _provide_database(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.conninfo("postgres"), autocommit=True, connect_timeout=5) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount
        if not found:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
