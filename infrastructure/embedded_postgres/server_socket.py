"""Where the server's socket is, and which process listens on it.

It is in `run` in the server's directory, if that path is short enough for a socket. Otherwise `run` is a symbolic link
to a short private directory among the temporary files, so whoever joins finds the socket even if their TMPDIR differs.
"""

import hashlib
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from infrastructure.embedded_postgres.errors import EmbeddedPostgresError
from infrastructure.embedded_postgres.server_account import ServerAccount

PORT = 5432
_SOCKET = f".s.PGSQL.{PORT}"
_LONGEST_SOCKET_PATH = 103  # bytes of sun_path in sockaddr_un: 107 on Linux, 103 on macOS


def socket_in(directory: Path) -> Path:
    """The socket of the server that keeps its things in `directory`."""
    return (directory / "run").resolve() / _SOCKET


def listening_process(path: Path) -> int | None:
    """The id of the process that listens at a socket, on the kernel's word; None if nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return None
        process_id = _peer(probe)
    if process_id == 0:
        message = (
            f"The server at {path} runs in another container. Use one container, or let each have its REPRISE_HOME."
        )
        raise EmbeddedPostgresError(message)
    return process_id


def _peer(connection: socket.socket) -> int:
    if sys.platform == "darwin":
        local_level, local_peer_pid = 0, 2  # SOL_LOCAL and LOCAL_PEERPID of <sys/un.h>
        return connection.getsockopt(local_level, local_peer_pid)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # struct ucred: pid, uid, gid
    return int.from_bytes(credentials[:4], sys.byteorder)


def provide_socket_directory(directory: Path, account: ServerAccount) -> Path:
    """Make room for the socket of a server that is about to start, and clear what a crashed one left."""
    remove_socket_directory(directory)
    run = directory / "run"
    place = run if _usable(run) else _substitute_for(run)
    account.provide_private_directory(place)
    if place != run:
        run.symlink_to(place)
    return place


def remove_socket_directory(directory: Path) -> None:
    """Take away what the socket of a server that has ended needed."""
    run = directory / "run"
    place = run.resolve()
    # The link in a copy of another server's directory leads to a socket that is not ours to remove.
    if place == run or place.name == _substitute_name(run):
        _remove_sockets(place)
        with suppress(OSError):  # It is gone already, or somebody keeps other things there.
            place.rmdir()
    if run.is_symlink():
        run.unlink()


def _usable(place: Path) -> bool:
    # libpq takes a comma for the start of another host.
    return len(os.fsencode(place / _SOCKET)) <= _LONGEST_SOCKET_PATH and "," not in str(place)


def _substitute_for(run: Path) -> Path:
    place = Path(tempfile.gettempdir()).resolve() / _substitute_name(run)
    if not _usable(place):
        message = (
            f"{run} and {place} are both no place for a socket: too long. Set REPRISE_HOME or TMPDIR to a short one."
        )
        raise EmbeddedPostgresError(message)
    return place


def _substitute_name(run: Path) -> str:
    return "reprise-" + hashlib.sha256(os.fsencode(run) + b"\0%d" % os.geteuid()).hexdigest()[:16]


def _remove_sockets(place: Path) -> None:
    # The lock file of a crashed server names a process id that may be someone else's by now.
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (place / name).unlink(missing_ok=True)
