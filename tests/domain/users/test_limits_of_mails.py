"""How often an account may ask for a mail that confirms an address: so often a day, whatever else it does."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.errors import DomainError, TooManyEmailRequests
from domain.limits import REMEMBERED, Limit
from domain.users import User
from domain.values import EmailAddress
from tests.support.instants import CONFIRM_BY, MOMENT, NOW
from tests.support.scenarios import Ask, given, happened, played
from tests.support.users import EMAIL, OTHER_EMAIL, a_user_with_a_pending_email, an_active_user, an_unverified_user

TWICE = Limit(2, timedelta(hours=24))


def asking_for(email: str, at: datetime = NOW, limit: Limit = TWICE) -> Ask[User]:
    return lambda user: user.request_email_change(EmailAddress(email), CONFIRM_BY, at, limit)


def a_user_who_has_asked_twice() -> User:
    user = an_active_user()
    for email in ("first@example.com", "second@example.com"):
        asking_for(email)(user)
    return user


def test_who_has_asked_too_often_is_refused_and_told_how_long_to_wait() -> None:
    given(a_user_who_has_asked_twice()).when(asking_for("third@example.com")).then_refused(TooManyEmailRequests)

    with pytest.raises(TooManyEmailRequests) as refusal:
        asking_for("third@example.com", NOW + timedelta(hours=1))(a_user_who_has_asked_twice())
    assert refusal.value.wait == timedelta(hours=23)


def test_after_a_day_one_can_ask_again() -> None:
    day_after = NOW + TWICE.within

    given(a_user_who_has_asked_twice()).when(asking_for("third@example.com", day_after - MOMENT)).then_refused(
        TooManyEmailRequests
    )
    given(a_user_who_has_asked_twice()).when(asking_for("third@example.com", day_after)).then(
        happened(User.EmailChangeRequested, email="third@example.com", confirm_by=CONFIRM_BY, asked_at=day_after)
    )


def test_one_can_go_back_to_a_verified_address_at_any_time() -> None:
    given(a_user_who_has_asked_twice()).when(asking_for(EMAIL)).then(happened(User.EmailChangeWithdrawn))


def test_withdrawing_does_not_give_a_request_back() -> None:
    user = a_user_who_has_asked_twice()
    asking_for(EMAIL)(user)

    given(user).when(asking_for("third@example.com")).then_refused(TooManyEmailRequests)


def test_asking_for_the_present_address_to_be_verified_counts_too() -> None:
    user = an_unverified_user()
    for _ in range(2):
        asking_for(EMAIL)(user)

    given(user).when(asking_for(EMAIL)).then_refused(TooManyEmailRequests)
    given(user).when(asking_for(OTHER_EMAIL)).then_refused(TooManyEmailRequests)


def test_what_was_asked_for_before_there_were_limits_does_not_count() -> None:
    user = an_active_user()
    for _ in range(30):
        user._email_change_requested(OTHER_EMAIL, CONFIRM_BY)

    given(user).when(asking_for(OTHER_EMAIL)).then(
        happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY, asked_at=NOW)
    )


@for_all(
    minutes=st.lists(st.integers(0, 600), max_size=60),
    limit=st.builds(Limit, st.integers(1, REMEMBERED), st.just(timedelta(hours=24))),
)
def test_no_day_has_more_requests_than_the_limit(minutes: list[int], limit: Limit) -> None:
    user, now = a_user_with_a_pending_email(), NOW
    asked: list[datetime] = [NOW]

    for minute in minutes:
        now += timedelta(minutes=minute)
        try:
            asking_for(OTHER_EMAIL, now, limit)(user)
        except DomainError:
            continue
        asked.append(now)

    assert max(sum(at <= other < at + limit.within for other in asked) for at in asked) <= limit.times
    assert played(user.collect_events()) == user
