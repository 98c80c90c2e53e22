"""Finds out which release of Reprise is running.

The build comes from the first of these that knows it: the variable REPRISE_BUILD (set it in a container image), git in
a checkout, the file that `make wheel` puts into a wheel, and pip's record of an installation from a git URL (PEP 610).
"""

import os
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import msgspec

from application.release import Release
from infrastructure.settings import SettingInvalidError

CHECKOUT = Path(__file__).parents[1]
BUILD_FILE = Path(__file__).with_name("build.txt")
DESCRIBE = ("git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
_GIT_SECONDS = 5.0
_SHORT = 12
_BUILD = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")


def this_release(environment: Mapping[str, str] = os.environ) -> Release:
    """The release of this process. Raises `SettingInvalidError`; it may ask git, so ask once."""
    try:
        installed = distribution("reprise")
    except PackageNotFoundError:
        return Release("unknown", build_of(environment))
    return Release(installed.version, build_of(environment) or build_of_installation(installed))


def build_of(environment: Mapping[str, str], checkout: Path = CHECKOUT, file: Path = BUILD_FILE) -> str | None:
    """The build as the environment, git or a wheel states it. Raises `SettingInvalidError`."""
    stated = environment.get("REPRISE_BUILD")
    if stated and not _BUILD.fullmatch(stated):
        raise SettingInvalidError("REPRISE_BUILD", "must be 1 to 64 letters, digits and . _ + -, such as a commit")
    return stated or _build_of_checkout(checkout, environment) or _build_of_wheel(file)


def build_of_installation(installed: Distribution) -> str | None:
    """The commit that pip installed from a git URL, if it did."""
    record = msgspec.json.decode(installed.read_text("direct_url.json") or "{}", type=_DirectUrl)
    return record.vcs_info.commit_id[:_SHORT] if record.vcs_info else None


class _VcsInfo(msgspec.Struct):
    commit_id: str


class _DirectUrl(msgspec.Struct):
    vcs_info: _VcsInfo | None = None


def _build_of_checkout(checkout: Path, environment: Mapping[str, str]) -> str | None:
    """The commit that is checked out; with `-dirty`, if files have been changed since."""
    if not (checkout / ".git").exists():  # An installation may stand inside of somebody else's repository.
        return None
    # In a hook, git's own variables name another repository.
    others = {name: text for name, text in environment.items() if not name.startswith("GIT_")}
    try:
        described = subprocess.run(
            DESCRIBE, cwd=checkout, env=others, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def _build_of_wheel(file: Path) -> str | None:
    return file.read_text(encoding="ascii").strip() or None if file.exists() else None
