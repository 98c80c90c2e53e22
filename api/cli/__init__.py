"""The command line `reprise`: one module for each group of commands, imported when one of them is called."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from cyclopts import App, CycloptsError, Parameter

from api.cli.failures import ExitCode, Failure, explained
from api.cli.lifeline import watch_lifeline
from api.cli.terminal import write_failure

COMMANDS = {
    "run": ("api.cli.running:run", "Start everything: database, API and projections; Ctrl-C stops it."),
    "serve": ("api.cli.processes:serve", "Serve the HTTP API."),
    "project": (
        "api.cli.processes:project",
        "Keep the read models at the head of the log, seal the log, and send mails.",
    ),
    "migrate": ("api.cli.processes:migrate", "Bring the database to the schema that this version needs."),
    "token": ("api.cli.tokens:token", "Issue an access token."),
    "import": ("api.cli.importing:import_file", "Take over people from a file in JSON Lines, each exactly once."),
    "backup": ("api.cli.backups:backup", "Back up the log and, apart from it, the keys."),
    "restore": ("api.cli.backups:restore", "Bring a backup back into an empty database, all of it or nothing."),
    "users": ("api.cli.users:app", "Look at users, as they are or as they were, and erase them."),
    "statistics": ("api.cli.statistics:app", "Tell how many accounts are active, come, go, and agree to what."),
    "audit": ("api.cli.audit:app", "Find out what was done, when, by whom and why."),
    "projections": ("api.cli.projections:app", "Look at the read models; rebuild, check and repair them."),
    "privacy": ("api.cli.privacy:app", "Find out what is held about people, and scrub what was deleted."),
    "keys": ("api.cli.keys:app", "Look after the keys that personal data is sealed with, and that of the claims."),
    "log": ("api.cli.log:app", "Look at the log as a whole."),
}
"""Each command, where it is, and the first sentence of its help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the exit code of the process."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    _accept_all_text()
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
    """The commands; only the module of the one that is called is imported."""
    app = App(
        name="reprise",
        help="Reprise, an event-sourced user platform. Settings are environment variables: docs/cli.md lists them.",
        help_format="markdown",
        version=_version,
        default_parameter=Parameter(negative=(), show_default=_told),
        suppress_keyboard_interrupt=False,
    )
    for name, (place, summary) in COMMANDS.items():
        app.command(place, name=name, help=None if name in called else summary)
    return app


def _told(default: object) -> str | None:
    """A default as the help tells it; that a switch is off goes without saying."""
    return None if default is False else str(default)


def _version() -> str:
    from infrastructure.release import this_release

    return str(this_release())


def _accept_all_text() -> None:
    """A terminal that cannot show a letter is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _end_in_order_on_signals() -> None:
    """Have SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that whatever it started is stopped."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


def _nobody_reads() -> int:
    """End as quietly as a program that SIGPIPE kills; what is left in the buffers goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
