"""Statistics, as the API returns them."""

from collections.abc import Iterable
from datetime import date

from api.http.views import View
from application.statistics.counts import Counted, Figures, by_day, by_part
from application.statistics.user_statistics import (
    ACTIVE,
    CONSENT_GRANTED,
    CONSENT_WITHDRAWN,
    CONSENTING,
    DELETION_REQUESTED,
    DELETION_WITHDRAWN,
    ERASED,
    REGISTERED,
)

COUNTRY_MEASURES = (ACTIVE, REGISTERED, DELETION_REQUESTED, DELETION_WITHDRAWN, ERASED)
PURPOSE_MEASURES = (CONSENTING, CONSENT_GRANTED, CONSENT_WITHDRAWN)
PURPOSES_LIMIT = 1_000
"""The maximum number of purposes in one answer."""


class UserFigures(View, frozen=True):
    """Accounts."""

    active: int
    """At the end of the day (in UTC): neither suspended, deactivated, waiting for deletion nor erased."""
    registered: int
    deletion_requested: int
    deletion_withdrawn: int
    erased: int


class UsersOnDay(UserFigures, frozen=True):
    """Accounts on one day."""

    day: date


class UsersIn(UserFigures, frozen=True):
    """Accounts of one country."""

    country: str


class ConsentFigures(View, frozen=True):
    """Consents."""

    consenting: int
    """People who consent at the end of the day (in UTC)."""
    granted: int
    """How often consent was granted on that day, including again for another version of the document."""
    withdrawn: int


class ConsentsOnDay(ConsentFigures, frozen=True):
    """Consents to a purpose on one day."""

    day: date


class ConsentsTo(ConsentFigures, frozen=True):
    """Consents to one purpose."""

    purpose: str


def users_on_days(counts: Iterable[Counted], first: date, last: date) -> list[UsersOnDay]:
    """One item for each day."""
    return [UsersOnDay(day=day, **_users(figures)) for day, figures in by_day(counts, first, last)]


def users_in(counts: Iterable[Counted], day: date) -> list[UsersIn]:
    """One item for each country, most active users first."""
    items = [UsersIn(country=country, **_users(figures)) for country, figures in by_part(counts, day).items()]
    return sorted(items, key=lambda item: (-item.active, item.country))


def consents_on_days(counts: Iterable[Counted], first: date, last: date) -> list[ConsentsOnDay]:
    """One item for each day."""
    return [ConsentsOnDay(day=day, **_consents(figures)) for day, figures in by_day(counts, first, last)]


def consents_to(counts: Iterable[Counted], day: date) -> list[ConsentsTo]:
    """One item for each purpose, that with most consents first."""
    items = [ConsentsTo(purpose=purpose, **_consents(figures)) for purpose, figures in by_part(counts, day).items()]
    return sorted(items, key=lambda item: (-item.consenting, item.purpose))[:PURPOSES_LIMIT]


def _users(figures: Figures) -> dict[str, int]:
    return {measure: figures.get(measure, 0) for measure in COUNTRY_MEASURES}


def _consents(figures: Figures) -> dict[str, int]:
    return {measure.removeprefix("consent_"): figures.get(measure, 0) for measure in PURPOSE_MEASURES}
