"""`reprise statistics`: counts of accounts, registrations, deletions and consents. They name nobody."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from api.cli.catching_up import catch_up
from api.cli.database import open_database
from api.cli.failures import ExitCode, Failure
from api.cli.terminal import Rows, answer, shown
from api.cli.values import day as as_day
from api.http.views import View
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
from application.statistics.counts import Counts, CountsWanted, DaysInvalidError, span_of_days
from application.statistics.user_statistics import USER_STATISTICS
from domain.users.values import parse_purpose
from domain.values import parse_country
from infrastructure.postgres.logins import Login
from infrastructure.queries.read_model import Lists
from infrastructure.statistics.queries import StatisticsQueries

app = App(name="statistics", help="Count accounts, registrations, deletions and consents.")

First = Annotated[date | None, Parameter(name="--from", converter=as_day)]
Last = Annotated[date | None, Parameter(name="--to", converter=as_day)]
Day = Annotated[date | None, Parameter(name="--day", converter=as_day)]


@app.command
def users(*, first: First = None, last: Last = None, country: str | None = None, json: bool = False) -> None:
    """Show active accounts at the end of each day, registrations, requests for deletion and erasures.

    Parameters
    ----------
    first
        The first day, in UTC (default: 30 days, up to the last one).
    last
        The last day, in UTC (default: today).
    country
        Only this country (ISO 3166-1 alpha-2).
    json
        Write JSON.

    """
    first, last = _days(first, last)
    counts = _counts(CountsWanted(measures=COUNTRY_MEASURES, first=first, last=last, country=_country(country)))
    _tell(UsersOnDay, users_on_days(counts.items, first, last), counts, json=json)


@app.command
def countries(*, day: Day = None, json: bool = False) -> None:
    """Show the same as `users`, for one day by country.

    Parameters
    ----------
    day
        The day, in UTC (default: today).
    json
        Write JSON.

    """
    day = day or _today()
    counts = _counts(CountsWanted(measures=COUNTRY_MEASURES, first=day, last=day, by="country"))
    _tell(UsersIn, users_in(counts.items, day), counts, json=json)


@app.command
def consents(
    *, purpose: str, first: First = None, last: Last = None, country: str | None = None, json: bool = False
) -> None:
    """Show how many people consent to a purpose at the end of each day, and how many granted and withdrew it.

    Parameters
    ----------
    purpose
        The purpose of the consents.
    first
        The first day, in UTC (default: 30 days, up to the last one).
    last
        The last day, in UTC (default: today).
    country
        Only this country (ISO 3166-1 alpha-2).
    json
        Write JSON.

    """
    first, last = _days(first, last)
    wanted = CountsWanted(
        measures=PURPOSE_MEASURES,
        first=first,
        last=last,
        country=_country(country),
        purpose=parse_purpose(purpose),
    )
    counts = _counts(wanted)
    _tell(ConsentsOnDay, consents_on_days(counts.items, first, last), counts, json=json)


@app.command
def purposes(*, day: Day = None, country: str | None = None, json: bool = False) -> None:
    """Show the same as `consents`, for one day by purpose.

    Parameters
    ----------
    day
        The day, in UTC (default: today).
    country
        Only this country (ISO 3166-1 alpha-2).
    json
        Write JSON.

    """
    day = day or _today()
    wanted = CountsWanted(measures=PURPOSE_MEASURES, first=day, last=day, by="purpose", country=_country(country))
    counts = _counts(wanted)
    _tell(ConsentsTo, consents_to(counts.items, day), counts, json=json)


def _counts(wanted: CountsWanted) -> Counts:
    """The counts at the head of the log, also if no worker is running."""
    with open_database(Login.WORKER) as database:
        catch_up(database.conninfo, USER_STATISTICS)
        wait = database.settings.wait_seconds
        return database.with_pool(lambda pool: StatisticsQueries(Lists(pool, wait)).counts(wanted))


def _tell(kind: type[View], items: Sequence[View], counts: Counts, *, json: bool) -> None:
    *figures, told_apart = kind.__struct_fields__
    columns = [told_apart, *figures]
    answer(
        {"items": items, "position": counts.position},
        Rows([name.replace("_", " ") for name in columns], (_cells(item, columns) for item in items)),
        f"As of position {shown(counts.position)}.",
        json=json,
    )


def _cells(item: View, columns: Sequence[str]) -> list[Any]:
    return [getattr(item, name) for name in columns]


def _country(text: str | None) -> str | None:
    return None if text is None else parse_country(text)


def _days(first: date | None, last: date | None) -> tuple[date, date]:
    try:
        return span_of_days(first, last, _today())
    except DaysInvalidError as error:
        raise Failure(str(error), "usage", ExitCode.USAGE) from None


def _today() -> date:
    return datetime.now(UTC).date()
