"""The output of `reprise import`, written while it reads: each refused line, then the totals."""

import sys
import time
from io import FileIO
from os import fstat
from stat import S_ISREG
from typing import Protocol, Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.cli.failures import Failure
from api.cli.terminal import JsonList, console, say, shown, write_failure
from application.imports.import_people import LineResult
from application.imports.tally import Tally

LINES_PER_REFRESH = 200


class Report(Protocol):
    """Reports on an import."""

    def add(self, result: LineResult) -> None:
        """Another line was processed."""
        ...

    def finish(self, tally: Tally) -> None:
        """All were."""
        ...

    def break_off(self, tally: Tally, failure: Failure) -> None:
        """The others were not."""
        ...


class JsonReport:
    """One JSON document: the refused lines, then the totals."""

    def __init__(self, *, dry_run: bool) -> None:
        self._refused = JsonList("refused", dryRun=dry_run)

    def add(self, result: LineResult) -> None:
        if result.code is not None:
            self._refused.add(
                {"line": result.line, "code": result.code, "field": result.field, "message": result.message}
            )

    def finish(self, tally: Tally) -> None:
        self._refused.end(**tally.as_json())

    def break_off(self, tally: Tally, failure: Failure) -> None:
        self._refused.break_off(failure, **tally.as_json())


class TextReport:
    """A line for each refused line, then the totals."""

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._began = time.monotonic()

    def add(self, result: LineResult) -> None:
        if result.code is not None:
            say(f"line {result.line}: {result.code}{f' ({result.field})' if result.field else ''}: {result.message}")

    def finish(self, tally: Tally) -> None:
        seconds = time.monotonic() - self._began
        say(f"{shown(tally.lines)} lines in {seconds:.1f} s, {shown(round(tally.lines / seconds))} a second")
        now = "would be imported (nothing was recorded)" if self._dry_run else "imported now"
        before = shown(tally.already_imported)
        say(f"  accepted    {shown(tally.accepted)}: {shown(tally.imported)} {now}, {before} before")
        say(f"  duplicates  {shown(tally.duplicates)}")
        say(f"  erased      {shown(tally.erased)}")
        say(f"  invalid     {shown(tally.invalid)}")

    def break_off(self, tally: Tally, failure: Failure) -> None:
        lines = shown(tally.lines)
        say(f"Interrupted after {lines} lines. Import the file again to continue; nobody is imported twice.")
        write_failure(failure, as_json=False)


class Bar:
    """A progress bar, shown on terminals only."""

    def __init__(self, file: FileIO, *, as_json: bool) -> None:
        status = fstat(file.fileno())
        shown_on = console() if sys.stdout.isatty() and not as_json else console(stderr=True)
        self._lines = 0
        self._read = 0
        self._progress = Progress(
            TextColumn("Importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[lines]:,} lines"),
            TimeRemainingColumn(),
            console=shown_on,
            transient=True,
            disable=not shown_on.is_terminal,
        )
        self._task = self._progress.add_task("", total=status.st_size if S_ISREG(status.st_mode) else None, lines=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def read(self, octets: int) -> None:
        """More octets were read from the file."""
        self._read += octets

    def line(self) -> None:
        """Another line was processed."""
        self._lines += 1
        if self._lines % LINES_PER_REFRESH == 0:
            self._progress.update(self._task, completed=self._read, lines=self._lines)
