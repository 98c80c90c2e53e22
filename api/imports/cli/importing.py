"""`reprise import`: people from a file in JSON Lines."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli.failures import ExitCode, Failure, explained
from api.imports.cli.import_reports import Bar, JsonReport, Report, TextReport
from application.commands import CommandKeys, Commands
from application.imports.import_people import import_people
from application.imports.tally import Tally
from infrastructure.composition import open_service, open_trial
from infrastructure.imports.people_file import MarksOnDisk, read_lines
from infrastructure.postgres.database import migrated_database
from infrastructure.postgres.logins import Login
from infrastructure.settings import Settings, settings_from

STANDARD_INPUT = "-"
Parts = tuple[Commands, CommandKeys]


def import_file(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    dry_run: bool = False,
    strict: bool = False,
    json: bool = False,
) -> int:
    """Import people from a file in JSON Lines, each exactly once.

    Each line is a JSON object with email, displayName and country, and optionally locale, birthDate,
    explicitContentFilter, externalId, createdAt, emailVerified, status (active, suspended or deactivated) with
    statusReason and statusSince, and consents (each with purpose, documentVersion, granted and optionally occurredAt).
    Nobody is sent mail.

    Each refused line is reported with its number, a code and the field. You can import the file again, also after an
    interrupted import: nobody is imported twice, and the counts come out the same. Of several lines with the same
    address or external id, the first one is imported. A line is recognised by its externalId, or else by its whole
    content. People who were imported and have been erased since are reported, not imported again.

    The exit code is 1 if no line was accepted.

    Parameters
    ----------
    file
        The file; - for standard input.
    dry_run
        Report what would happen, without recording anything.
    strict
        Exit with 1 if any line was refused.
    json
        Write JSON.

    """
    settings = settings_from()
    with _opened(file) as opened, migrated_database(settings, Login.API) as conninfo:
        report = JsonReport(dry_run=dry_run) if json else TextReport(dry_run=dry_run)
        tally = Tally()
        _look_for_garbage_less_often()
        with _told_if_it_breaks_off(report, tally):
            with Bar(opened, as_json=json) as bar:
                asyncio.run(_import(opened, _parts(settings, conninfo, dry_run=dry_run), tally, report, bar))
            report.finish(tally)
    is_refused = not tally.accepted or (strict and tally.accepted < tally.lines)
    return ExitCode.FAILED if is_refused else ExitCode.DONE


def _look_for_garbage_less_often() -> None:
    """What an import makes is in use until its line is done: looking takes a quarter of the time and finds little."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _import(
    opened: FileIO, parts: AbstractAsyncContextManager[Parts], tally: Tally, report: Report, bar: Bar
) -> None:
    async with parts as (commands, keys):
        with closing(MarksOnDisk()) as accepted:
            async with aclosing(import_people(read_lines(opened, bar.read), commands, keys, accepted)) as results:
                async for result in results:
                    tally.count(result)
                    report.add(result)
                    bar.line()


@asynccontextmanager
async def _parts(settings: Settings, conninfo: str, *, dry_run: bool) -> AsyncIterator[Parts]:
    if dry_run:
        async with open_trial(settings, conninfo) as trial:
            yield trial
    else:
        async with open_service(settings, conninfo) as service:
            yield service.commands, service.command_keys


@contextmanager
def _opened(file: Path) -> Iterator[FileIO]:
    if str(file) == STANDARD_INPUT:
        yield FileIO(sys.stdin.fileno(), closefd=False)
    else:
        with FileIO(os.fspath(file)) as opened:
            yield opened


@contextmanager
def _told_if_it_breaks_off(report: Report, tally: Tally) -> Iterator[None]:
    """Complete the report, whatever happens to the import."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        report.break_off(tally, Failure("The import was interrupted.", "interrupted", ExitCode.INTERRUPTED))
        raise
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        report.break_off(tally, failure)
        raise SystemExit(failure.exit_code) from error
