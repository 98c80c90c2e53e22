"""Who is old enough, to the day."""

from datetime import date, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.errors import BirthDateInFuture, BirthDateTooLongAgo, TooYoung
from domain.users.values import MINIMUM_AGE_YEARS, OLDEST_AGE_YEARS, parse_birth_date
from tests.support.outcomes import answer

DAY = timedelta(days=1)
TODAY = date(2026, 3, 14)


@pytest.mark.parametrize(
    "born", [date(2013, 3, 14), date(2013, 3, 13), date(1990, 12, 10), date(1900, 1, 1), date(1895, 3, 15)]
)
def test_a_person_of_13_may_have_an_account_from_their_birthday_on(born: date) -> None:
    assert parse_birth_date(born, TODAY) == born


@pytest.mark.parametrize("born", [date(2013, 3, 15), date(2013, 4, 1), date(2020, 1, 1), TODAY - DAY])
def test_a_person_under_13_is_too_young(born: date) -> None:
    with pytest.raises(TooYoung):
        parse_birth_date(born, TODAY)


@pytest.mark.parametrize("born", [TODAY, TODAY + DAY, date(9999, 12, 31)])
def test_a_birth_date_is_in_the_past(born: date) -> None:
    with pytest.raises(BirthDateInFuture):
        parse_birth_date(born, TODAY)


@pytest.mark.parametrize("born", [date(1895, 3, 14), date(1800, 1, 1), date(1, 1, 1)])
def test_nobody_is_older_than_130(born: date) -> None:
    with pytest.raises(BirthDateTooLongAgo):
        parse_birth_date(born, TODAY)


def test_who_was_born_on_a_leap_day_is_13_on_the_first_of_march() -> None:
    born = date(2012, 2, 29)

    assert parse_birth_date(born, date(2025, 3, 1)) == born
    with pytest.raises(TooYoung):
        parse_birth_date(born, date(2025, 2, 28))


def test_a_leap_day_is_a_birthday_where_there_is_one() -> None:
    born = date(2012, 2, 29)

    assert parse_birth_date(born, date(2028, 2, 29)) == born


@for_all(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(2020, 1, 1), date(2100, 1, 1)))
def test_age_is_the_number_of_birthdays(born: date, today: date) -> None:
    years = range(born.year + 1, today.year + 1)
    birthdays = sum((year, born.month, born.day) <= (today.year, today.month, today.day) for year in years)

    accepted = answer(parse_birth_date, born, today)

    if birthdays > OLDEST_AGE_YEARS:
        assert type(accepted) is BirthDateTooLongAgo
    elif birthdays >= MINIMUM_AGE_YEARS:
        assert accepted == born
    else:
        assert type(accepted) is (TooYoung if born < today else BirthDateInFuture)
