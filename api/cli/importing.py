"""`reprise import`: people from a file in JSON Lines."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path
from stat import S_ISREG

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.failures import ExitCode, Failure
from api.cli.terminal import console, say, shown, write_json_line
from application.commands import CommandKeys, Commands
from application.import_people import LineResult, import_people
from application.import_tally import Tally
from infrastructure.database import migrated_database
from infrastructure.import_trial import open_trial
from infrastructure.people_file import MarksOnDisk, read_lines
from infrastructure.service import open_service
from infrastructure.settings import Settings, settings_from

STANDARD_INPUT = Path("-")


def import_file(file: Path, /, *, dry_run: bool = False, strict: bool = False, json: bool = False) -> int:
    """Take over people from a file in JSON Lines, each exactly once.

    A line is an object with email, displayName and country, and optionally locale, birthDate, explicitContentFilter,
    consents (purpose, documentVersion, granted) and externalId. People are not mailed.

    Each line that is refused is reported with its number, a code and the field. The file may be imported again, also
    after an import broke off: nobody is imported twice, and the account is the same. Of several lines with one address
    or one external id the first is the person. A line is known again by its externalId, else by its whole content.

    The exit code is 1 if not a single line was accepted.

    Parameters
    ----------
    file
        The file; - for standard input.
    dry_run
        Say what would come of it, and record nothing.
    strict
        Exit with 1 if any line was refused.
    json
        Write JSON.
    """
    settings = settings_from()
    with _opened(file) as lines, migrated_database(settings) as conninfo:
        report = JsonReport(dry_run=dry_run) if json else TextReport(lines, dry_run=dry_run)
        _take_fewer_pauses()
        tally = asyncio.run(_import(settings, conninfo, lines, report, dry_run=dry_run))
    refused = tally.lines - tally.accepted
    return ExitCode.FAILED if refused and (strict or not tally.accepted) else ExitCode.DONE


@contextmanager
def _opened(file: Path) -> Iterator[FileIO]:
    if file == STANDARD_INPUT:
        yield FileIO(sys.stdin.fileno(), closefd=False)
        return
    with FileIO(os.fspath(file)) as opened:
        yield opened


def _take_fewer_pauses() -> None:
    """Nearly all that an import makes is needed until its line is done: looking for garbage often finds none."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
