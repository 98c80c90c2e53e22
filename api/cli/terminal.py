"""What the command line writes: tables and sentences for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.failures import Failure

UNLIMITED_WIDTH = 10_000
"""Columns of a "terminal" that is a file or a pipe: nothing is cut off there."""


@cache
def console(*, error: bool = False) -> Console:
    """Where people read; nothing they or others wrote is taken for markup."""
    stream = sys.stderr if error else sys.stdout
    return Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
        width=None if stream.isatty() else UNLIMITED_WIDTH,
    )


def say(sentence: str) -> None:
    """A line for people."""
    console().print(sentence)


def write_json(value: Any) -> None:
    """One JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
    sys.stdout.flush()


def write_json_line(value: Any) -> None:
    """One JSON document on a line of its own, at once."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


class JsonList:
    """One JSON document with a list of unknown length, written item by item so that nothing has to be kept."""

    def __init__(self, name: str, **before: Any) -> None:
        self._separator = "\n"
        opening = msgspec.json.encode({**before, name: []}).decode().removesuffix("]}")
        sys.stdout.write(opening)

    def add(self, item: Any) -> None:
        """One more item."""
        sys.stdout.write(self._separator + msgspec.json.encode(item).decode())
        self._separator = ",\n"

    def end(self, **after: Any) -> None:
        """No more items; what is known by now."""
        closing = msgspec.json.encode(after).decode().removeprefix("{")
        sys.stdout.write("\n]" + (", " if after else "") + closing + "\n")
        sys.stdout.flush()


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under headings; numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    cells = [list(row) for row in rows]
    for number, name in enumerate(columns):
        is_number = bool(cells) and all(isinstance(row[number], int | float) for row in cells)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(shown(value)) for value in row))
    console().print(table, soft_wrap=False)


def shown(value: Any) -> str:
    """A value as people read it; instants in UTC."""
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
    """Say why a command failed: one line on standard error, or a document on standard output."""
    if as_json:
        write_json_line({"error": {"code": failure.code, "message": str(failure)}})
    else:
        sys.stderr.write(f"reprise: {failure}\n")
    return failure.exit_code
