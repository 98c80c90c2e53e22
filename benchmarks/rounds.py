"""Rounds: the sides of a comparison in turn, so that whatever the machine is up to meets all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

import msgspec

T = TypeVar("T")
NameT = TypeVar("NameT")


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """How one side compares with the other, by the median of the rounds."""

    median: float
    lowest: float
    highest: float


def in_turn(sides: Mapping[NameT, Callable[[], T]], rounds: int) -> dict[NameT, list[T]]:
    """Measure all sides, round after round: A B, A B, and so on."""
    measured: dict[NameT, list[T]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            measured[name].append(measure())
    return measured


def ratio(ones: Sequence[float], others: Sequence[float]) -> Ratio:
    """One side divided by the other, round by round."""
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    return Ratio(median=round(median(ratios), 4), lowest=round(min(ratios), 4), highest=round(max(ratios), 4))
