"""PostgreSQL as people run it: an installation of the machine's own, in any release that is promised."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psycopg
from psycopg.conninfo import make_conninfo

from infrastructure.postgres.database import OLDEST_VERSION
from tests.support.waiting import PATIENCE_SECONDS, eventually

NOBODY = 65_534
"""Who runs the server if we are root, whom PostgreSQL refuses."""
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class InstalledServer:
    """A running server."""

    socket_directory: Path
    pid: int
    port: int

    def conninfo(self, database: str = "postgres", user: str = "postgres") -> str:
        """How psycopg connects to one of its databases."""
        return make_conninfo(host=str(self.socket_directory), port=self.port, user=user, dbname=database)


def installation_of(version: int = OLDEST_VERSION) -> Path | None:
    """Where the programs of a release are, if this machine has them."""
    places = (f"/usr/lib/postgresql/{version}", f"/usr/pgsql-{version}", f"/opt/homebrew/opt/postgresql@{version}")
    return next((Path(place) for place in places if (Path(place) / "bin" / "postgres").exists()), None)


@contextmanager
def installed_server(
    installation: Path, options: Mapping[str, str], *initdb_options: str, files: Mapping[str, bytes] = NO_FILES
) -> Iterator[InstalledServer]:
    """A server with an empty cluster, until the end of the context; its options may name files in that."""
    account = NOBODY if os.geteuid() == 0 else None
    with folder_of(account) as folder:
        programs, data = installation / "bin", str(folder / "data")
        initdb = [str(programs / "initdb"), "-D", data, "--username=postgres", "--auth=trust", "--no-sync"]
        subprocess.run([*initdb, *initdb_options], user=account, cwd=folder, check=True, capture_output=True)
        for name, content in files.items():
            _write_private(Path(data) / name, content, account)
        settings = {"listen_addresses": "", "port": "5432", "unix_socket_directories": str(folder), **options}
        switches = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", data, *switches]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, user=account, cwd=folder, stderr=log, stdout=log)
        try:
            server = InstalledServer(folder, process.pid, int(settings["port"]))
            eventually(lambda: process.poll() is not None or _answers(server), "the server to take connections")
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


def _write_private(path: Path, content: bytes, account: int | None) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    if account is not None:
        os.chown(path, account, -1)


@contextmanager
def folder_of(account: int | None) -> Iterator[Path]:
    """A folder with a path that is short enough for a socket, and that the account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="reprise-", dir="/tmp"))
    try:
        if account is not None:
            os.chown(folder, account, -1)
        yield folder
    finally:
        shutil.rmtree(folder)


def _answers(server: InstalledServer) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(server.conninfo()).close()
        return True
    return False
