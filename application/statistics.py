"""What people who steer the product can ask: how many, by day, by country, by purpose. Numbers only, naming nobody."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Literal, Protocol

import msgspec

from application.user_statistics import LEVELS

Figures = Mapping[str, int]
"""Numbers by measure."""


class CountsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which counts, for which days (in UTC, both included); what is not given does not matter."""

    measures: tuple[str, ...]
    first: date
    last: date
    country: str | None = None
    purpose: str | None = None
    by: Literal["country", "purpose"] | None = None
    """What to tell apart besides the days."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many; all days before the first wanted one count as the day before it."""

    measure: str
    part: str
    """A country or a purpose, if they are told apart."""
    day: date
    count: int


class Counts(msgspec.Struct, frozen=True):
    """Counts, and the log position that they reflect."""

    items: list[Counted]
    position: int


class Statistics(Protocol):
    """How many there are."""

    async def counts(self, wanted: CountsWanted, min_position: int = 0) -> Counts:
        """Counts that are not 0, in no particular order. Raises `PositionNotReachedError`."""
        ...


def by_day(counts: Iterable[Counted], first: date, last: date) -> Iterator[tuple[date, Figures]]:
    """The figures of each day, also of those on which nothing happened; levels are as of its end."""
    on_day: dict[date, list[Counted]] = defaultdict(list)
    for counted in counts:
        on_day[counted.day].append(counted)
    levels = _added({}, [counted for counted in on_day[first - timedelta(days=1)] if counted.measure in LEVELS])
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        figures = _added(levels, on_day[day])
        levels = {measure: figures[measure] for measure in LEVELS & figures.keys()}
        yield day, figures


def by_part(counts: Iterable[Counted], day: date) -> dict[str, Figures]:
    """The figures of one day by country or purpose; levels are as of its end."""
    of_part: dict[str, list[Counted]] = defaultdict(list)
    for counted in counts:
        if counted.day == day or counted.measure in LEVELS:
            of_part[counted.part].append(counted)
    return {part: _added({}, found) for part, found in of_part.items()}


def _added(figures: Figures, counts: Iterable[Counted]) -> dict[str, int]:
    total = dict(figures)
    for counted in counts:
        total[counted.measure] = total.get(counted.measure, 0) + counted.count
    return total
