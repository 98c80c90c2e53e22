"""The command line `reprise`: one module for each group of commands, imported when one of them is called."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

from api.cli.failures import ExitCode, Failure, explained
from api.cli.lifeline import watch_lifeline
from api.cli.terminal import write_error

COMMANDS = {
    "run": ("api.cli.running:run", "Start everything: database, API and projections; Ctrl-C stops it."),
    "serve": ("api.cli.processes:serve", "Serve the HTTP API."),
    "project": ("api.cli.processes:project", "Keep the read models at the head of the log, and send mails."),
    "migrate": ("api.cli.processes:migrate", "Bring the database to the schema that this version needs."),
    "token": ("api.cli.tokens:token", "Issue an access token."),
    "import": ("api.cli.importing:import_file", "Take over people from a file in JSON Lines, each exactly once."),
    "users": ("api.cli.users:app", "Look at users, as they are or as they were."),
    "audit": ("api.cli.audit:app", "Find out what was done, when, by whom and why."),
    "projections": ("api.cli.projections:app", "Look at the read models, and rebuild them."),
    "log": ("api.cli.log:app", "Look at the log as a whole."),
}
"""Each command, where it is, and the first sentence of its help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in given
    _write_whatever_there_is_to_write()
    _end_in_order_when_told_to()
    watch_lifeline()
    try:
        code = app(given[:1]).__call__(given)
    except CycloptsError as error:
        return write_error(Failure(str(error), code="usage", exit_code=ExitCode.USAGE), as_json=as_json)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _reader_has_gone()
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        return write_error(failure, as_json=as_json)
    return code if isinstance(code, int) else ExitCode.DONE
