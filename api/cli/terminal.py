"""Output of the command line: tables and sentences for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from api.cli.failures import Failure
from application.json_arrays import JsonArray

if TYPE_CHECKING:
    from rich.console import Console

UNLIMITED_WIDTH = 10_000
"""Columns of a file or a pipe: nothing is cut off there."""


def console(*, stderr: bool = False) -> "Console":
    """A console for people; text from callers is not interpreted as markup."""
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal else UNLIMITED_WIDTH
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def say(sentence: str) -> None:
    """A line for people."""
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


class Rows(NamedTuple):
    """A table for people."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


def answer(document: Any, *told: str | Rows | None, json: bool) -> None:
    """What a command comes to: one JSON document for programs, or sentences and tables for people (None: nothing)."""
    if json:
        write_json(document)
        return
    for part in told:
        if isinstance(part, Rows):
            write_table(part.columns, part.rows)
        elif part is not None:
            say(part)


def write_json(value: Any) -> None:
    """One JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def write_json_line(value: Any) -> None:
    """One JSON document on a line of its own, flushed."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


class JsonList:
    """One JSON document with a list of unknown length, written item by item, in constant memory."""

    def __init__(self, name: str, **before: Any) -> None:
        self._array = JsonArray()
        sys.stdout.write(msgspec.json.encode({**before, name: []}).decode().removesuffix("[]}"))

    def add(self, item: Any) -> None:
        """Another item."""
        sys.stdout.write(self._array.more([item]).decode())

    def end(self, **after: Any) -> None:
        """End the list, and add what is known by then."""
        rest = msgspec.json.encode(after).decode().removeprefix("{")
        sys.stdout.write(f"{self._array.end().decode()}, {rest}\n")
        sys.stdout.flush()

    def break_off(self, failure: Failure, **after: Any) -> None:
        """End the list before its last item, because of an error."""
        self.end(**after, error=_told(failure))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under headings, with numbers aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    cells = list(rows)
    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for number, name in enumerate(columns):
        are_numbers = bool(cells) and all(type(row[number]) in {int, float} for row in cells)
        table.add_column(name, justify="right" if are_numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(shown(value)) for value in row))
    console().print(table)


def shown(value: Any) -> str:
    """A value for people; instants are in UTC."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def write_failure(failure: Failure, *, as_json: bool) -> int:
    """Say why a command failed: in one line on standard error, or in a document on standard output."""
    if as_json:
        write_json_line({"error": _told(failure)})
    else:
        sys.stdout.flush()
        sys.stderr.write(f"reprise: {failure}\n")
    return failure.exit_code


def _told(failure: Failure) -> dict[str, str]:
    return {"code": failure.code, "message": str(failure)}
