"""PgBouncer, the usual pooler of connections, in front of a server of a test."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.support.installed_server import NOBODY, InstalledServer, folder_of
from tests.support.waiting import PATIENCE_SECONDS, eventually

_SETTINGS = """
[databases]
* = host={server}
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
"""


def pgbouncer_program() -> Path | None:
    """The program, if this machine has it; distributions put it where only root looks."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


@contextmanager
def pgbouncer(program: Path, server: InstalledServer, **settings: str) -> Iterator[str]:
    """The pooler, with some of its settings; how a superuser connects through it."""
    account = NOBODY if os.geteuid() == 0 else None
    with folder_of(account) as folder:
        own = "".join(f"{name} = {value}\n" for name, value in settings.items())
        configured = _SETTINGS.format(server=server.socket_directory, folder=folder) + own
        (folder / "settings").write_text(configured, encoding="utf-8")
        (folder / "users").write_text('"postgres" ""\n', encoding="utf-8")
        conninfo = make_conninfo(host=str(folder), port=6432, user="postgres", dbname="postgres")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(program), str(folder / "settings")], user=account, cwd=folder, stdout=log, stderr=log
            )
        try:
            eventually(lambda: process.poll() is not None or _answers(conninfo), "the pooler to take connections")
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            yield conninfo
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)


def _answers(conninfo: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(conninfo).close()
        return True
    return False
