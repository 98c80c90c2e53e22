"""The operating system user that the server runs as, and how a child process becomes it.

An ordinary user runs the server as itself. PostgreSQL refuses to run as root, so root runs it as the user that owns
its data, and that is `nobody` for new data.
"""

import os
import pwd
import re
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from infrastructure.embedded_postgres.errors import EmbeddedPostgresError

_ROOT = 0
# Bit numbers of capabilities(7). The first suffices to search closed directories and cannot write anything;
# Docker's default set lacks it and has the second. To make either count in access(2) takes the third.
_CAPABILITIES_TO_ENTER = {"dac_read_search": 2, "dac_override": 1}
_SETPCAP = 8


@dataclass(frozen=True, kw_only=True)
class Switch:
    """How a child process becomes another user: the prefix of its command, and the arguments of `subprocess`."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None
    extra_groups: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ServerAccount:
    """A user of this machine that runs PostgreSQL."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_data(cls, data: Path) -> Self:
        """The user to run the server of `data` as; EmbeddedPostgresError if this process cannot become it."""
        owner = data.stat().st_uid if data.exists() else None
        if os.geteuid() == _ROOT:
            return cls._of(_user(owner) if owner else _nobody())
        if owner in {None, os.geteuid()}:
            return cls._of(_user(os.geteuid()))
        message = f"{data} belongs to another user (uid {owner}). Run as that user, or set REPRISE_HOME."
        raise EmbeddedPostgresError(message)

    @classmethod
    def _of(cls, user: pwd.struct_passwd) -> Self:
        return cls(user.pw_name, user.pw_uid, user.pw_gid)

    def provide_private_directory(self, path: Path) -> None:
        """Make a directory that only this user may enter; EmbeddedPostgresError if something else is there."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            self._refuse_unless_private(path)
        if os.geteuid() == _ROOT:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def _refuse_unless_private(self, path: Path) -> None:
        status = path.lstat()
        ours = status.st_uid in {self.uid, os.geteuid()} and not stat.S_IMODE(status.st_mode) & 0o077
        if not (stat.S_ISDIR(status.st_mode) and ours):
            message = f"{path} is not a private directory of {self.name}. Find out who made it and remove it."
            raise EmbeddedPostgresError(message)

    def switch(self, needed: Iterable[Path]) -> Switch:
        """How a child becomes this user and still reaches the `needed` paths; EmbeddedPostgresError if it cannot.

        A checkout of root often lies below /root, which only root may enter. It is not ours to open that to everyone,
        so the child keeps one capability, and only then. setpriv(1) sets it up, because the order of the system calls
        is delicate and Python code between fork and exec is not safe in a process with threads.
        """
        if os.geteuid() != _ROOT:
            return Switch()
        closed = next((d for path in needed for d in reversed(path.parents) if not self._may_enter(d)), None)
        if closed is None:
            return Switch(user=self.uid, group=self.gid, extra_groups=())
        return Switch(prefix=self._keeping_a_capability(closed))

    def _keeping_a_capability(self, closed: Path) -> tuple[str, ...]:
        setpriv, capability = shutil.which("setpriv"), _capability_to_enter()
        if setpriv is None or capability is None:
            raise EmbeddedPostgresError(_no_way_in(self.name, closed))
        who = (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups")
        # Ambient, because the programs' files grant nothing; every other capability is lost when they are executed.
        what = (f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", "--no-new-privs")
        # PostgreSQL asks access(2) whether its programs can be run, which disregards the capabilities of everyone but
        # root unless this bit is set.
        return (setpriv, *who, *what, "--securebits=+no_setuid_fixup", "--")

    def _may_enter(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def invoking_user() -> str:
    """The name of the user that this process runs as; EmbeddedPostgresError if it has none."""
    return _user(os.geteuid()).pw_name


def owner_of(path: Path) -> str:
    """The name of the user that a file or directory belongs to; EmbeddedPostgresError if it has none."""
    return _user(path.stat().st_uid).pw_name


def _user(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        # Neither initdb nor peer authentication works without a name.
        message = f"PostgreSQL needs a user with a name, and uid {uid} has none. Add it to /etc/passwd, or use another."
        raise EmbeddedPostgresError(message) from None


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        message = "PostgreSQL refuses to run as root, and there is no user 'nobody' to run it. Run as an ordinary user."
        raise EmbeddedPostgresError(message) from None


def _capability_to_enter() -> str | None:
    permitted = _permitted_capabilities()
    if not permitted >> _SETPCAP & 1:
        return None
    return next((name for name, bit in _CAPABILITIES_TO_ENTER.items() if permitted >> bit & 1), None)


def _permitted_capabilities() -> int:
    """Read the permitted set of this process as proc(5) prints it; none where there is no such thing."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return 0
    permitted = re.search(r"^CapPrm:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(permitted[1], 16) if permitted else 0


def _no_way_in(name: str, closed: Path) -> str:
    return (
        f"PostgreSQL refuses to run as root, and {name}, who would run it instead, may not enter {closed}. Move the "
        "checkout, or only its data with REPRISE_HOME, to where everyone may pass; or run as an ordinary user; or let "
        "REPRISE_DATABASE_URL name another PostgreSQL. (With CAP_SETPCAP, CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE, and "
        "setpriv of util-linux, it would work as it is.)"
    )
