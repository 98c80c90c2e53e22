"""How the embedded server is configured, and whom it lets in."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from infrastructure.embedded_postgres.programs import Programs
from infrastructure.embedded_postgres.server_socket import PORT
from infrastructure.files.private_files import write_whole

MEGABYTE = 1 << 20
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

# fsync and synchronous_commit stay on, as they are by default: an answer promises that the events are durable.
_SETTINGS = {
    "cluster_name": "reprise",
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "200",
    "max_wal_size": "2GB",
    # A new file of the write-ahead log takes tens of milliseconds to make, in the middle of somebody's commit: keep
    # more of the old ones for use again.
    "min_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log must hold no personal data. A failing statement's text, its parameters and the DETAIL of its error can
    # hold some, and so can the error's own sentence (`invalid input syntax for type uuid: "ann@example.org"`): what is
    # wrong with a statement is told to its client alone. LOG, FATAL and PANIC, which are about the server, are written.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}

# The map lists the users whom the kernel may vouch for, and lets each act in any role of the database.
_HOST_BASED_AUTHENTICATION = "local all         all peer map=reprise\nlocal replication all peer map=reprise\n"


def command_line(
    programs: Programs, *, directory: Path, socket_directory: Path, options: Mapping[str, str]
) -> list[str]:
    """The command that runs the server of `directory`; `options` prevail over our settings."""
    settings = {
        **_SETTINGS,
        "shared_buffers": f"{shared_buffers(memory())}MB",
        **_preloaded(programs),
        "unix_socket_directories": _as_list_element(socket_directory),
        "hba_file": str(directory / "pg_hba.conf"),
        "ident_file": str(directory / "pg_ident.conf"),
        **options,
    }
    return [
        str(programs.postgres),
        "-D",
        str(directory / "data"),
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    ]


def shared_buffers(octets: int) -> int:
    """Megabytes of cache for a server on a machine with so much memory: a quarter, as PostgreSQL advises, up to 4 GB.

    None of it is taken before it is used. The system's own cache gives up pages that nobody has looked at for a while,
    and then whoever comes back after a year is read from the disk, fact by fact.
    """
    return min(max(octets // 4 // MEGABYTE, 128), 4_096)


def memory() -> int:
    """The octets of memory that there are for us: those of the machine, or of the control group if that has fewer."""
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # not in a group, or in one without a limit ("max")
        octets = min(octets, int(_GROUP_LIMIT.read_text(encoding="ascii")))
    return octets


def write_authentication(directory: Path, users: Iterable[str]) -> None:
    """Let these users of the machine in, and nobody else."""
    _write_readable(directory / "pg_hba.conf", _HOST_BASED_AUTHENTICATION)
    _write_readable(directory / "pg_ident.conf", "".join(f"reprise {_quoted(user)} all\n" for user in users))


def _preloaded(programs: Programs) -> dict[str, str]:
    library = "pg_stat_statements"
    return {"shared_preload_libraries": library} if programs.has_library(library) else {}


def _write_readable(path: Path, text: str) -> None:
    write_whole(path, text.encode(), public=True)  # The server may be another user.


def _as_list_element(path: Path) -> str:
    return _quoted(str(path))


def _quoted(value: str) -> str:
    return '"{}"'.format(value.replace('"', '""'))
