"""The command line `reprise`: one module for each group of commands, imported when one of them is called."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType
from typing import Any

from cyclopts import App, CycloptsError, Parameter

from api.cli.failures import ExitCode, Failure, explained
from api.cli.parent_watch import watch_lifeline
from api.cli.terminal import write_failure

COMMANDS: dict[str, tuple[str | dict[str, str], str]] = {
    "run": ("api.processes.running:run", "Start everything: database, API and projections; Ctrl-C stops it."),
    "serve": ("api.processes.parts:serve", "Serve the HTTP API."),
    "project": (
        "api.processes.parts:project",
        "Run a worker: read models, checkpoints, mails, erasures.",
    ),
    "migrate": ("api.processes.parts:migrate", "Migrate the database to the schema of this version."),
    "roles": ("api.operations.cli.roles:app", "Show the database's roles; separate them from other databases'."),
    "token": ("api.cli.tokens:token", "Issue an access token."),
    "import": ("api.imports.cli.importing:import_file", "Import people from a file in JSON Lines, each exactly once."),
    "backup": ("api.operations.cli.backups:backup", "Back up the log and, separately, the keys."),
    "restore": (
        "api.operations.cli.backups:restore",
        "Restore a backup into an empty database, completely or not at all.",
    ),
    "users": (
        {
            "erase": "api.privacy.cli.erasing:erase",
            "erasure": "api.privacy.cli.erasing:erasure",
            "export": "api.privacy.cli.person_export:export",
            "show": "api.users.cli.users:show",
        },
        "Show, export and erase users.",
    ),
    "statistics": ("api.statistics.cli.statistics:app", "Count accounts, registrations, deletions and consents."),
    "audit": (
        {
            "accesses": "api.access_records.cli.accesses:accesses",
            "bundle": "api.proof.cli.proving:bundle",
            "checkpoint": "api.proof.cli.proving:checkpoint",
            "diff": "api.history.cli.comparing:diff",
            "history": "api.history.cli.history:history",
            "keys": "api.proof.cli.proving:keys",
            "prove": "api.proof.cli.proving:prove",
            "repair": "api.proof.cli.proving:repair",
            "rotate-key": "api.proof.cli.proving:rotate_key",
            "search": "api.history.cli.history:search",
            "verify": "api.proof.cli.verifying:verify",
        },
        "Show what was done, when, by whom and why; prove and verify it.",
    ),
    "projections": ("api.operations.cli.projections:app", "Show, rebuild, check and repair read models."),
    "privacy": ("api.privacy.cli.privacy:app", "Show what is stored about people; remove what was deleted."),
    "keys": ("api.privacy.cli.keys:app", "Show and replace the master key and the claims key."),
    "log": ("api.operations.cli.log:app", "Show the state of the log."),
}
"""Each command or group, where it is implemented, and the first sentence of its help.

A group to which several areas contribute names the place of each of its commands.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    _accept_all_text()
    _keep_libraries_quiet()
    _end_in_order_on_signals()
    watch_lifeline()
    try:
        answer = command_line(given[:1])(given, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return write_failure(Failure(str(error), "usage", ExitCode.USAGE), as_json="--json" in given)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        return write_failure(failure, as_json="--json" in given)
    return answer if isinstance(answer, int) else ExitCode.DONE


def command_line(called: Sequence[str] = ()) -> App:
    """All commands; only the module of the called one is imported."""
    app = App(
        name="reprise",
        help="Reprise, an event-sourced user platform. Settings are environment variables: see docs/operations.md.",
        help_format="markdown",
        version=_version,
        default_parameter=Parameter(negative=(), show_default=_told),
        suppress_keyboard_interrupt=False,
    )
    for name, (place, summary) in COMMANDS.items():
        if isinstance(place, str):
            app.command(place, name=name, help=None if name in called else summary)
        else:
            app.command(_group(name, summary, place, is_called=name in called))
    return app


def _group(name: str, summary: str, places: dict[str, str], *, is_called: bool) -> App:
    """Commands of several areas; they are imported if one of them, or the help on all of them, is asked for."""
    group = App(name=name, help=summary)
    for command, place in places.items():
        group.command(_imported(place) if is_called else place, name=command)
    return group


def _imported(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def _told(default: object) -> str | None:
    """A default as the help shows it; switches that are off are not mentioned."""
    return None if default is False else str(default)


def _version() -> str:
    from infrastructure.release import this_release

    return str(this_release())


def _accept_all_text() -> None:
    """Do not fail on a terminal that cannot show a character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _keep_libraries_quiet() -> None:
    """Keep to what the command says: libraries warn of each connection that is dropped, as on Ctrl-C it has to be.

    Processes that serve have a log, which takes the place of this (`api.http.logs`).
    """
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())


def _end_in_order_on_signals() -> None:
    """Have SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that whatever it started is stopped."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


def _nobody_reads() -> int:
    """End as quietly as a program killed by SIGPIPE, and discard buffered output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
