"""How fast the host is at the moment: without it, a figure says as much about the host as about us."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

PIECES = 15
STEPS = 40_000
FLUSHES = 50
BLOCK = 8192


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What the same things took on a host at one time, in milliseconds."""

    work: float
    """A fixed piece of Python: longer if the processor is slower, or others use it."""
    processor: float
    """What the processor spent on that piece: longer if it is slower, or shares its core with somebody."""
    flush: float
    """Until the disk had made one block durable: what a commit costs at least."""


class Host(msgspec.Struct, frozen=True):
    """The host before a measurement and after it."""

    before: Reference
    after: Reference


def reference(folder: Path) -> Reference:
    """What the host does now; takes a fraction of a second."""
    work, processor = _work()
    return Reference(work=work, processor=processor, flush=flush_milliseconds(folder))


def flush_milliseconds(folder: Path) -> float:
    """How long the disk takes to make one block durable."""
    path = folder / "flush"
    with path.open("wb", buffering=0) as file:

        def flush() -> None:
            file.write(bytes(BLOCK))
            os.fsync(file.fileno())

        taken = [_seconds(flush, time.perf_counter) for _ in range(FLUSHES)]
    path.unlink()
    return round(median(taken) * 1000, 3)


def _work() -> tuple[float, float]:
    """The median time of a piece of work, and the median of what the processor spent on it, in milliseconds."""
    taken: list[float] = []
    spent = [
        _seconds(lambda: taken.append(_seconds(_piece, time.perf_counter)), time.thread_time) for _ in range(PIECES)
    ]
    return round(median(taken) * 1000, 2), round(median(spent) * 1000, 2)


def _piece() -> None:
    """Looks things up and puts them down, as programs in Python do for most of their time."""
    table: dict[int, tuple[int, str]] = {}
    for number in range(STEPS):
        key = (number * 2_654_435_761) % 4_096
        before = table.get(key, (0, ""))
        table[key] = (before[0] + 1, f"{key}")


def _seconds(what: Callable[[], object], clock: Callable[[], float]) -> float:
    begin = clock()
    what()
    return clock() - begin
