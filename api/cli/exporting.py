"""Writes facts to a file, one at a time, however many there are: CSV, JSON Lines or CloudEvents."""

import csv
import os
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import msgspec

from api.views import FactView

SOURCE = "urn:reprise:log"
"""Where events come from, as CloudEvents say it."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How facts are written."""

    CSV = "csv"
    JSONL = "jsonl"
    CLOUDEVENTS = "cloudevents"


Add = Callable[[FactView], None]


async def export(facts: AsyncIterator[FactView], path: Path, form: ExportFormat) -> int:
    """Write all facts; the file is there when it is whole, and not before. Answers how many there were."""
    fresh = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            add = _WRITERS[form](file)
            async for fact in facts:
                add(fact)
                count += 1
        os.replace(fresh, path)  # noqa: PTH105 - what it does is said best by its name
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _csv(file: IO[str]) -> Add:
    """As RFC 4180 has it, under a line with the names."""
    writer = csv.writer(file)
    names = [field.encode_name for field in msgspec.structs.fields(FactView)]
    writer.writerow(names)

    def add(fact: FactView) -> None:
        told = msgspec.to_builtins(fact)
        writer.writerow([_cell(told[name]) for name in names])

    return add


def _json_lines(file: IO[str]) -> Add:
    return lambda fact: _line(file, fact)


def _cloud_events(file: IO[str]) -> Add:
    """CloudEvents 1.0 in JSON (https://cloudevents.io), one on each line."""

    def add(fact: FactView) -> None:
        told = msgspec.to_builtins(fact)
        envelope = {
            "specversion": "1.0",
            "id": str(fact.position),
            "source": SOURCE,
            "type": fact.topic,
            "subject": str(fact.user_id),
            "time": told["recordedAt"],
            "datacontenttype": "application/json",
            "data": told,
        }
        _line(file, envelope)

    return add


_WRITERS: dict[ExportFormat, Callable[[IO[str]], Add]] = {
    ExportFormat.CSV: _csv,
    ExportFormat.JSONL: _json_lines,
    ExportFormat.CLOUDEVENTS: _cloud_events,
}


def _line(file: IO[str], value: Any) -> None:
    file.write(msgspec.json.encode(value).decode() + "\n")


def _cell(value: Any) -> Any:
    """A value; text that a spreadsheet would take for a formula begins with an apostrophe instead."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
