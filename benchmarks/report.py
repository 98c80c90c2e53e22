"""Reports: a table for people, a document for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import TIMES, Condition, Figure
from benchmarks.host import Host


def write_table(console: Console, figures: Sequence[Figure], run: dict[str, Any]) -> None:
    """One line for each number that a goal asks for."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Figure", "", "Value", "Rounds", "Goal", "Met", "Host"):
        table.add_column(heading, justify="right" if heading == "Value" else "left", overflow="fold")
    for figure in figures:
        if figure.value is None:
            table.add_row(figure.name, f"not measured: {figure.reason}", "-", "", "", "[red]no[/red]", "")
        for number, condition in enumerate(figure.conditions):
            table.add_row(
                "" if number else figure.name,
                condition.name,
                _value(condition),
                _spread(condition),
                condition.goal,
                _met(condition),
                "" if number else _host(figure.host),
            )
    console.print(table)
    console.print(_conditions_of(run), style="dim")


def document(figures: Sequence[Figure], run: dict[str, Any]) -> bytes:
    """A list with an object for each figure, each with the circumstances under which it was taken."""
    rows = [{**msgspec.to_builtins(figure, str_keys=True), "run": run} for figure in figures]
    return msgspec.json.format(msgspec.json.encode(rows)) + b"\n"


def write_document(path: Path, figures: Sequence[Figure], run: dict[str, Any]) -> None:
    """Write the document to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document(figures, run))


def _value(condition: Condition) -> str:
    return f"{_number(condition.value)} {condition.unit}".rstrip()


def _spread(condition: Condition) -> str:
    if condition.lowest is None or condition.highest is None:
        return ""
    return f"{_number(condition.lowest)}-{_number(condition.highest)}"


def _number(value: float) -> str:
    digits = 0 if value >= 1000 or value == int(value) else 2
    return f"{value:,.{digits}f}"


def _met(condition: Condition) -> str:
    if condition.is_undecided:
        return "[yellow]?[/yellow]"
    return "[green]yes[/green]" if condition.met else "[red]no[/red]"


def _host(host: Host | None) -> str:
    """What the reference took before and after, for people who compare."""
    if host is None:
        return ""
    before, after = host.before, host.after
    return f"work {before.work:g}-{after.work:g} ms, flush {before.flush:g}-{after.flush:g} ms"


def _conditions_of(run: dict[str, Any]) -> str:
    machine, postgres = run["machine"], run["postgresql"]
    return (
        f"{machine['cores']} {TIMES} {machine['processor']}, {machine['memory_gigabytes']:g} GB, {machine['system']}, "
        f"{machine['file_system']}, {machine['flush_milliseconds']:g} ms for one flush; "
        f"PostgreSQL {postgres['server_version']}, fsync {postgres['fsync']}, "
        f"synchronous_commit {postgres['synchronous_commit']}; Python {run['versions']['python']}; "
        f"{run['scale']} run of {run['commit'] or 'no commit'}, {run['at']}"
    )
