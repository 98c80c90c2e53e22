"""Rebuilds a read model as the command line does, in a process of its own whose memory is watched."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psycopg

from benchmarks.processes import ProcessFailedError, resident_megabytes
from infrastructure.encryption.keychain import grant
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.rebuild.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.settings import settings_from

LOOK_SECONDS = 0.05
_DATABASE = "REPRISE_DATABASE_URL"


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """A rebuild that was carried out, from the request to the switch."""

    seconds: float
    events: int
    """Positions in the log."""
    rows: int
    megabytes: float = 0.0
    """The most memory that its processes had at a time."""


def rebuild(conninfo: str, model: str, home: Path) -> Rebuild:
    """Make a read model again from the log, and return when the new one has taken over."""
    command = [sys.executable, "-m", "benchmarks.rebuild_process", model]
    with subprocess.Popen(
        command, env={**os.environ, _DATABASE: conninfo, "REPRISE_HOME": str(home)}, stdout=subprocess.PIPE
    ) as process:
        megabytes = 0.0
        while process.poll() is None:
            megabytes = max(megabytes, resident_megabytes(process.pid))
            time.sleep(LOOK_SECONDS)
        answer = process.stdout.read() if process.stdout else b""
    if process.returncode:
        raise ProcessFailedError(f"The rebuild of {model} ended with {process.returncode}.")
    return msgspec.structs.replace(msgspec.json.decode(answer, type=Rebuild), megabytes=megabytes)


def _rebuild_here(conninfo: str, model: str) -> Rebuild:
    begin = time.perf_counter()
    grant(settings_from())
    with psycopg.connect(as_projector(conninfo), autocommit=True) as connection:
        request_rebuild(connection, model, "system:benchmark")
    rebuilt = perform_rebuild(conninfo, model)
    seconds = time.perf_counter() - begin
    if rebuilt is None:
        raise ProcessFailedError(f"Somebody else rebuilds {model}.")
    return Rebuild(seconds=seconds, events=rebuilt.events, rows=rebuilt.rows)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_rebuild_here(os.environ[_DATABASE], sys.argv[1])))
