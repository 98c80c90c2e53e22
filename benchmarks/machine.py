"""What the figures were taken on: the machine, the versions, the settings."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg

from benchmarks.host import flush_milliseconds
from benchmarks.laboratory import Laboratory

PACKAGES = ("eventsourcing", "httptools", "litestar", "msgspec", "psycopg", "uvicorn", "uvloop")
SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "data_checksums",
    "shared_buffers",
    "max_wal_size",
)


def description(lab: Laboratory) -> dict[str, Any]:
    """All that somebody needs who wants to compare."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": lab.scale.name,
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gigabytes": round(psutil.virtual_memory().total / 1e9, 1),
            "system": f"{platform.system()} {platform.release()}",
            "file_system": _file_system(lab.folder),
            "flush_milliseconds": flush_milliseconds(lab.folder),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "postgresql": _settings(lab.server.conninfo("postgres")),
        "load": "closed loop: each connection sends its next request when it has the answer to the last one",
    }


def _settings(conninfo: str) -> dict[str, str]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", (list(SETTINGS),))
        return dict(rows.fetchall())


def _file_system(folder: Path) -> str:
    mounts = [mount for mount in psutil.disk_partitions(all=True) if folder.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        said = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return said.stdout.decode().strip() or None
