"""A user whose account staff have closed."""

import pytest

from domain.errors import UserIsSuspended
from domain.users import User
from domain.users.values import UserStatus
from domain.values import Reason
from tests.support.instants import ERASE_AFTER, NOW
from tests.support.outcomes import NOTHING, Outcome, check
from tests.support.scenarios import given, happened
from tests.support.users import (
    ADS,
    ASKS,
    DOCUMENT,
    EMAIL,
    NAME,
    OFTEN,
    REASON,
    a_deactivated_user,
    a_suspended_user,
    a_user_with_a_pending_email,
)

OUTCOMES: dict[str, Outcome] = {
    "request_email_change": UserIsSuspended,
    "confirm_email": UserIsSuspended,
    "change_display_name": UserIsSuspended,
    "must_be_there": NOTHING,
    "must_be_open": UserIsSuspended,
    "accept_email": UserIsSuspended,
    "change_country": UserIsSuspended,
    "change_locale": UserIsSuspended,
    "change_birth_date": UserIsSuspended,
    "change_explicit_content_filter": UserIsSuspended,
    "record_consent": happened(User.ConsentGranted, purpose=ADS, document_version=DOCUMENT),
    "suspend": NOTHING,
    "reinstate": happened(User.Reinstated, reason=REASON),
    "deactivate": UserIsSuspended,
    "reactivate": UserIsSuspended,
    "request_deletion": happened(User.DeletionRequested, erase_after=ERASE_AFTER),
    "withdraw_deletion": NOTHING,
    "erase": happened(User.Erased),
    "erase_when_due": NOTHING,
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_suspended_user_keeps_only_the_rights_that_nobody_can_take_away(ask: str) -> None:
    check(given(a_suspended_user()).when(ASKS[ask]), OUTCOMES[ask])


def test_suspending_makes_the_user_suspended() -> None:
    assert a_suspended_user().status is UserStatus.SUSPENDED


def test_suspending_for_another_reason_records_nothing_new() -> None:
    given(a_suspended_user()).when(lambda user: user.suspend(Reason("Fraud"))).then()


def test_reinstating_makes_the_user_active_again() -> None:
    user = a_suspended_user()

    user.reinstate(REASON)

    assert user.status is UserStatus.ACTIVE


def test_a_suspended_user_is_refused_even_what_would_change_nothing() -> None:
    given(a_suspended_user()).when(lambda user: user.change_display_name(NAME)).then_refused(UserIsSuspended)
    given(a_suspended_user()).when(lambda user: user.request_email_change(EMAIL, ERASE_AFTER, NOW, OFTEN)).then_refused(
        UserIsSuspended
    )


def test_a_suspended_user_cannot_confirm_an_address_they_asked_for_before() -> None:
    user = a_user_with_a_pending_email()
    user.suspend(REASON)

    given(user).when(ASKS["confirm_email"]).then_refused(UserIsSuspended)


def test_a_user_who_was_resting_when_suspended_rests_on_when_reinstated() -> None:
    user = a_deactivated_user()
    user.suspend(REASON)

    given(user).when(ASKS["change_display_name"]).then_refused(UserIsSuspended)
    given(user).when(ASKS["reinstate"]).then(happened(User.Reinstated, reason=REASON))

    assert user.status is UserStatus.DEACTIVATED
