"""The data of the server: a database cluster that is complete or not there at all."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from infrastructure.embedded_postgres.launch import Launcher
from infrastructure.embedded_postgres.programs import Programs

_FORM = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--username=postgres",
    "--auth-local=peer",
    "--auth-host=reject",
    "--no-instructions",
)


def initialise(data: Path, launcher: Launcher, programs: Programs) -> None:
    """Make an empty cluster at `data` if there is none; a crash leaves nothing there that looks like one."""
    if data.exists():
        return
    unfinished = data.with_name(f"{data.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    launcher.account.provide_private_directory(unfinished)
    launcher.run([str(programs.initdb), *_FORM, "-D", str(unfinished)], needed=[unfinished])
    unfinished.rename(data)
    _make_durable(data.parent)


def forget_misleading_process_id(data: Path) -> None:
    """Remove the process id file of a crashed server if its number belongs to an unrelated process or a zombie by now.

    PostgreSQL takes any living process of its user for a server and refuses to start, which happens after a reboot, and
    all the time in containers, where numbers are small and zombies stay. Call this only while no server of ours is
    alive. Where the system does not tell what the process is, PostgreSQL's own check stands.
    """
    file = data / "postmaster.pid"
    with suppress(OSError, ValueError):
        process = Path("/proc") / str(int(file.read_text(encoding="utf-8").split("\n", 1)[0]))
        if _is_zombie(process) or not (process / "cwd").samefile(data):
            file.unlink()


def _is_zombie(process: Path) -> bool:
    # The state follows the command's name, which is in parentheses and may hold any character.
    return (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "Z"


def _make_durable(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
