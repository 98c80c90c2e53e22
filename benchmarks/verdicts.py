"""Verdicts over several rounds: a shared machine makes one measurement look like anything."""

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from benchmarks.figures import Condition

LEAST_ROUNDS = 3

Judge = Callable[[str, float, float, str], Condition]
"""Such as `at_most`: a name, a value, a goal and a unit become a condition."""


class TooFewRoundsError(Exception):
    """Less was measured than a verdict needs."""

    def __init__(self, rounds: int) -> None:
        super().__init__(f"{rounds} rounds are too few for a verdict: {LEAST_ROUNDS} are needed.")


def over_rounds(judge: Judge, name: str, values: Sequence[float], goal: float, unit: str = "") -> Condition:
    """The median of the rounds with their spread; met or missed only if every round says so.

    Raises `TooFewRoundsError`.
    """
    if len(values) < LEAST_ROUNDS:
        raise TooFewRoundsError(len(values))
    condition = judge(name, median(values), goal, unit)
    answers = {judge(name, value, goal, unit).met for value in values}
    return msgspec.structs.replace(
        condition,
        met=answers == {True},
        is_undecided=len(answers) > 1,
        lowest=min(values),
        highest=max(values),
    )
