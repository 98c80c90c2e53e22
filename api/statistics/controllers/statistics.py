"""Statistics: counts of accounts, registrations, deletions and consents. They name nobody."""

from datetime import UTC, date, datetime
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from api.http.answers import Answer, position_header
from api.http.permissions import Permission
from api.http.problems import Kind, Place, Refused, parsed
from api.http.query_parameters import freshness
from api.http.requests import ApiRequest
from api.statistics.views import (
    COUNTRY_MEASURES,
    PURPOSE_MEASURES,
    ConsentsOnDay,
    ConsentsTo,
    UsersIn,
    UsersOnDay,
    consents_on_days,
    consents_to,
    users_in,
    users_on_days,
)
from application.statistics.counts import (
    Counts,
    CountsWanted,
    DayInvalidError,
    DaysInvalidError,
    Statistics,
    parse_day,
    span_of_days,
)
from domain import errors
from domain.users.values import parse_purpose
from domain.values import parse_country

From = Annotated[
    str | None,
    QueryParameter(
        name="from", format="date", description="The first day, in UTC (default: 30 days, up to the last one)."
    ),
]
To = Annotated[
    str | None, QueryParameter(name="to", format="date", description="The last day, in UTC (default: today).")
]
Day = Annotated[str | None, QueryParameter(name="day", format="date", description="The day, in UTC (default: today).")]
Country = Annotated[str | None, QueryParameter(name="country", description="Only this country (ISO 3166-1 alpha-2).")]
Purpose = Annotated[str, QueryParameter(name="purpose", description="The purpose of the consents.")]


class UsersByDay(msgspec.Struct, frozen=True, rename="camel"):
    """One item for each day."""

    items: list[UsersOnDay]


class UsersByCountry(msgspec.Struct, frozen=True, rename="camel"):
    """One item for each country with something to count, most active users first."""

    items: list[UsersIn]


class ConsentsByDay(msgspec.Struct, frozen=True, rename="camel"):
    """One item for each day."""

    items: list[ConsentsOnDay]


class ConsentsByPurpose(msgspec.Struct, frozen=True, rename="camel"):
    """One item for each purpose, most consents first; at most 1,000."""

    items: list[ConsentsTo]


class StatisticsController(Controller):
    """Counts by day, country and purpose."""

    path = "/statistics"
    tags = ("Statistics",)

    @get("/users", permission=Permission.STATISTICS_READ, refusals=(errors.CountryUnknown,))
    async def count_users(
        self, request: ApiRequest, from_day: From = None, to_day: To = None, country: Country = None
    ) -> Answer[UsersByDay]:
        """Active accounts at the end of each day, registrations, requests for deletion and erasures."""
        first, last = _days(from_day, to_day)
        wanted = CountsWanted(measures=COUNTRY_MEASURES, first=first, last=last, country=_country(country))
        counts = await _counts(request, wanted)
        return Answer(UsersByDay(users_on_days(counts.items, first, last)), [position_header(counts.position)])

    @get("/countries", permission=Permission.STATISTICS_READ)
    async def count_users_by_country(self, request: ApiRequest, on_day: Day = None) -> Answer[UsersByCountry]:
        """Active accounts, registrations, requests for deletion and erasures of one day, by country."""
        told = _day(on_day)
        wanted = CountsWanted(measures=COUNTRY_MEASURES, first=told, last=told, by="country")
        counts = await _counts(request, wanted)
        return Answer(UsersByCountry(users_in(counts.items, told)), [position_header(counts.position)])

    @get(
        "/consents",
        permission=Permission.STATISTICS_READ,
        refusals=(errors.CountryUnknown, errors.ConsentPurposeInvalid),
    )
    async def count_consents(
        self,
        request: ApiRequest,
        purpose: Purpose,
        from_day: From = None,
        to_day: To = None,
        country: Country = None,
    ) -> Answer[ConsentsByDay]:
        """How many people consent to a purpose at the end of each day, and how often it was granted and withdrawn."""
        first, last = _days(from_day, to_day)
        wanted = CountsWanted(
            measures=PURPOSE_MEASURES,
            first=first,
            last=last,
            country=_country(country),
            purpose=parsed(parse_purpose, purpose, Place("query", "purpose")),
        )
        counts = await _counts(request, wanted)
        return Answer(ConsentsByDay(consents_on_days(counts.items, first, last)), [position_header(counts.position)])

    @get("/purposes", permission=Permission.STATISTICS_READ, refusals=(errors.CountryUnknown,))
    async def count_consents_by_purpose(
        self, request: ApiRequest, on_day: Day = None, country: Country = None
    ) -> Answer[ConsentsByPurpose]:
        """Consents of one day, by purpose."""
        told = _day(on_day)
        wanted = CountsWanted(measures=PURPOSE_MEASURES, first=told, last=told, by="purpose", country=_country(country))
        counts = await _counts(request, wanted)
        return Answer(ConsentsByPurpose(consents_to(counts.items, told)), [position_header(counts.position)])


async def _counts(request: ApiRequest, wanted: CountsWanted) -> Counts:
    return await request.service.using(Statistics).counts(wanted, freshness(request))


def _country(text: str | None) -> str | None:
    return None if text is None else parsed(parse_country, text, Place("query", "country"))


def _day(text: str | None) -> date:
    return day(text, "day") or _today()


def _days(from_text: str | None, to_text: str | None) -> tuple[date, date]:
    """The first and the last day, not too far apart."""
    try:
        return span_of_days(day(from_text, "from"), day(to_text, "to"), _today())
    except DaysInvalidError as error:
        raise Refused(Kind.PARAMETER_INVALID, "from", "query", detail=str(error)) from None


def _today() -> date:
    return datetime.now(UTC).date()


def day(text: str | None, name: str) -> date | None:
    """A day as in RFC 3339, of a year in which there could be accounts."""
    if text is None:
        return None
    try:
        return parse_day(text)
    except DayInvalidError as error:
        raise Refused(Kind.PARAMETER_INVALID, name, "query", detail=str(error)) from None
