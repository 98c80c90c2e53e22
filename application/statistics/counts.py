"""What people who steer the product can ask: how many, by day, by country, by purpose. Numbers only, naming nobody."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Literal, Protocol

import msgspec

from application.queries import AS_IT_IS, Freshness
from application.statistics.user_statistics import LEVELS

Figures = Mapping[str, int]
"""Numbers by measure."""
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9000, 12, 31)
"""Of the years in which accounts could be."""
DAYS_LIMIT = 366
"""The maximum number of days in one answer."""
DAYS = 30
"""The number of days if the first one is not given."""


class DayInvalidError(ValueError):
    """It is not the name of a day, or of none on which accounts could be."""

    def __init__(self) -> None:
        super().__init__("A day must look like 2026-01-31.")


class DaysInvalidError(ValueError):
    """There are too many days between the first and the last one, or the last one comes first."""

    def __init__(self) -> None:
        super().__init__(f"The span must be 1 to {DAYS_LIMIT} days.")


class CountsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which counts, for which days (in UTC, both included); what is not given does not matter."""

    measures: tuple[str, ...]
    first: date
    last: date
    country: str | None = None
    purpose: str | None = None
    by: Literal["country", "purpose"] | None = None
    """The dimension to break the counts down by, besides days."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many; all days before the first wanted one count as the day before it."""

    measure: str
    part: str
    """The country or purpose, if the counts are broken down by it."""
    day: date
    count: int


class Counts(msgspec.Struct, frozen=True):
    """Counts, and the log position that they reflect."""

    items: list[Counted]
    position: int


class Statistics(Protocol):
    """How many there are."""

    async def counts(self, wanted: CountsWanted, freshness: Freshness = AS_IT_IS) -> Counts:
        """Counts that are not 0, in no particular order. Raises like `Directory.page`."""
        ...


def parse_day(text: str) -> date:
    """A day in the form of RFC 3339. Raises `DayInvalidError`."""
    try:
        day = msgspec.convert(text, date)
    except msgspec.ValidationError:
        raise DayInvalidError from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise DayInvalidError
    return day


def span_of_days(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """The first and the last day: up to today, and a month, where they are not given. Raises `DaysInvalidError`."""
    last = last or today
    first = first or last - timedelta(days=DAYS - 1)
    if not first <= last < first + timedelta(days=DAYS_LIMIT):
        raise DaysInvalidError
    return first, last


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
