"""Figures: what was measured, what the goal is, and whether it was reached."""

from typing import Any

import msgspec

from benchmarks.host import Host

TIMES = "\N{MULTIPLICATION SIGN}"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One number that a goal asks for."""

    name: str
    value: float
    unit: str
    goal: str
    met: bool
    is_undecided: bool = False
    """Whether some rounds reached the goal, and others did not."""
    lowest: float | None = None
    """Of the rounds, if there were several; so is the next one."""
    highest: float | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of goals. Its value is that of its first condition; it is met if all of them are."""

    name: str
    value: float | None
    unit: str
    goal: str
    met: bool
    reason: str | None = None
    """Why there is no value, or what keeps it from counting."""
    conditions: tuple[Condition, ...] = ()
    details: dict[str, Any] = {}
    host: Host | None = None
    """How fast the host was meanwhile."""


def at_least(name: str, value: float, goal: float, unit: str = "") -> Condition:
    """A number that is to be this or more."""
    return Condition(name=name, value=value, unit=unit, goal=f"≥ {_text(goal)}", met=value >= goal)


def at_most(name: str, value: float, goal: float, unit: str = "") -> Condition:
    """A number that is to be this or less."""
    return Condition(name=name, value=value, unit=unit, goal=f"≤ {_text(goal)}", met=value <= goal)


def below(name: str, value: float, goal: float, unit: str = "") -> Condition:
    """A number that is to be less than this."""
    return Condition(name=name, value=value, unit=unit, goal=f"< {_text(goal)}", met=value < goal)


def none_of(name: str, value: int) -> Condition:
    """Something that is not to happen."""
    return Condition(name=name, value=value, unit="", goal="0", met=value == 0)


def figure(name: str, *conditions: Condition, **details: Any) -> Figure:
    """A row that was measured."""
    first = conditions[0]
    return Figure(
        name=name,
        value=first.value,
        unit=first.unit,
        goal=", ".join(f"{c.name} {c.goal} {c.unit}".rstrip() for c in conditions),
        met=all(condition.met for condition in conditions),
        conditions=conditions,
        details=details,
    )


def not_measured(name: str, reason: str) -> Figure:
    """A row without a value."""
    return Figure(name=name, value=None, unit="", goal="", met=False, reason=reason)


def _text(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) and number >= 10 else f"{number:g}"
