"""`python -m benchmarks`: measures, prints a table, and writes JSON and a plot.

The exit code is 0 if everything that was asked for was measured, whether the goals were reached or not, 1 if something
could not be measured, 2 for a command line that makes no sense.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec
from rich.console import Console

from benchmarks import machine, report
from benchmarks.catalogue import SUITES
from benchmarks.figures import Figure, not_measured
from benchmarks.host import Host, reference
from benchmarks.laboratory import Laboratory, laboratory
from benchmarks.load_generator import ToolMissingError
from benchmarks.scale import FULL, QUICK, Scale

STANDARD_OUTPUT = Path("-")
MEASURED, NOT_MEASURED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; the answer is the exit code."""
    given = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_in_order)
    messages = Console(stderr=True, highlight=False)
    table = messages if given.json == STANDARD_OUTPUT else Console(highlight=False)
    try:
        return run(QUICK if given.quick else FULL, given.only, given.json, messages, table)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def run(scale: Scale, names: Sequence[str], json: Path | None, messages: Console, table: Console) -> int:
    """Measure some figures at a scale, and report them."""
    begin = time.monotonic()

    def say(what: str) -> None:
        messages.print(f"[dim]{time.monotonic() - begin:6.1f} s[/dim]  {what}", markup=True)

    with laboratory(scale, say) as lab:
        circumstances = machine.description(lab)
        figures = [measured(lab, name) for name in names]
    report.write_table(table, figures, circumstances)
    if json == STANDARD_OUTPUT:
        sys.stdout.buffer.write(report.document(figures, circumstances))
    elif json is not None:
        report.write_document(json, figures, circumstances)
    say("done")
    return NOT_MEASURED if any(figure.value is None for figure in figures) else MEASURED


def measured(lab: Laboratory, name: str) -> Figure:
    """One figure; a failure costs that one only."""
    lab.say(name)
    try:
        before = reference(lab.folder)
        figure = SUITES[name](lab)
        return msgspec.structs.replace(figure, host=Host(before, reference(lab.folder)))
    except ToolMissingError as missing:
        lab.say(f"{name} is skipped: {missing}")
        return not_measured(name, str(missing))
    except Exception as error:  # noqa: BLE001 - the others are worth having
        lab.say(f"{name} failed: {type(error).__name__}: {error}")
        return not_measured(name, f"{type(error).__name__}: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Measure the whole service on a PostgreSQL of its own, with everything durable, in .reprise/ "
            "(REPRISE_HOME). All traffic stays on this machine. A full run takes nearly an hour, and writes "
            "docs/benchmarks/growth.svg."
        ),
        epilog=f"Names: {', '.join(SUITES)}.",
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: three minutes, rougher figures")
    parser.add_argument("--only", type=_names, default=tuple(SUITES), metavar="NAME[,NAME]", help="these figures only")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures as JSON, too; - for standard output"
    )
    return parser


def _names(text: str) -> tuple[str, ...]:
    wanted = [name.strip() for name in text.split(",")]
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return tuple(name for name in SUITES if name in wanted)


def _end_in_order(number: int, _: FrameType | None) -> None:
    """Unwind, so that whatever was started is stopped."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
