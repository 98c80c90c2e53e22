"""A user who has asked to be deleted, within the grace period."""

import pytest

from domain.errors import DeletionIsPending, GracePeriodIsOver
from domain.users import User
from domain.users.values import UserStatus
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, MOMENT, NOW
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
    a_user_waiting_for_deletion,
    a_user_with_a_pending_email,
)

OUTCOMES: dict[str, Outcome] = {
    "request_email_change": DeletionIsPending,
    "confirm_email": DeletionIsPending,
    "change_display_name": DeletionIsPending,
    "must_be_there": NOTHING,
    "must_be_open": DeletionIsPending,
    "accept_email": DeletionIsPending,
    "change_country": DeletionIsPending,
    "change_locale": DeletionIsPending,
    "change_birth_date": DeletionIsPending,
    "change_explicit_content_filter": DeletionIsPending,
    "record_consent": happened(User.ConsentGranted, purpose=ADS, document_version=DOCUMENT),
    "suspend": happened(User.Suspended, reason=REASON),
    "reinstate": NOTHING,
    "deactivate": DeletionIsPending,
    "reactivate": DeletionIsPending,
    "request_deletion": NOTHING,
    "withdraw_deletion": happened(User.DeletionWithdrawn),
    "erase": happened(User.Erased),
    "erase_when_due": happened(User.Erased),
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_user_waiting_for_deletion_must_withdraw_before_changing_anything(ask: str) -> None:
    check(given(a_user_waiting_for_deletion()).when(ASKS[ask]), OUTCOMES[ask])


def test_a_user_waits_from_the_request_on() -> None:
    user = a_user_waiting_for_deletion()

    assert (user.status, user.erase_after) == (UserStatus.DELETION_REQUESTED, ERASE_AFTER)


def test_asking_again_does_not_prolong_the_wait() -> None:
    user = a_user_waiting_for_deletion()

    given(user).when(lambda user: user.request_deletion(ERASE_AFTER + MOMENT)).then()

    assert user.erase_after == ERASE_AFTER


def test_withdrawing_makes_the_user_active_again() -> None:
    user = a_user_waiting_for_deletion()

    user.withdraw_deletion(NOW)

    assert (user.status, user.erase_after) == (UserStatus.ACTIVE, None)


def test_a_deletion_can_be_withdrawn_up_to_the_last_moment_of_the_grace_period() -> None:
    withdrawn = happened(User.DeletionWithdrawn)

    given(a_user_waiting_for_deletion()).when(lambda u: u.withdraw_deletion(ERASE_AFTER - MOMENT)).then(withdrawn)


def test_a_deletion_cannot_be_withdrawn_when_the_grace_period_is_over() -> None:
    given(a_user_waiting_for_deletion()).when(lambda u: u.withdraw_deletion(ERASE_AFTER)).then_refused(
        GracePeriodIsOver
    )


def test_deletion_can_be_asked_for_again_after_a_withdrawal() -> None:
    user = a_user_waiting_for_deletion()
    user.withdraw_deletion(NOW)

    given(user).when(ASKS["request_deletion"]).then(happened(User.DeletionRequested, erase_after=ERASE_AFTER))


def test_a_waiting_user_is_refused_even_what_would_change_nothing() -> None:
    given(a_user_waiting_for_deletion()).when(lambda user: user.change_display_name(NAME)).then_refused(
        DeletionIsPending
    )
    given(a_user_waiting_for_deletion()).when(
        lambda user: user.request_email_change(EMAIL, CONFIRM_BY, NOW, OFTEN)
    ).then_refused(DeletionIsPending)


def test_a_waiting_user_cannot_confirm_an_address_they_asked_for_before() -> None:
    user = a_user_with_a_pending_email()
    user.request_deletion(ERASE_AFTER)

    given(user).when(ASKS["confirm_email"]).then_refused(DeletionIsPending)


def test_a_suspended_user_who_asked_for_deletion_waits_for_it() -> None:
    user = a_suspended_user()

    user.request_deletion(ERASE_AFTER)

    assert user.status is UserStatus.DELETION_REQUESTED
    given(user).when(ASKS["change_display_name"]).then_refused(DeletionIsPending)


def test_a_suspended_user_who_withdraws_is_still_suspended() -> None:
    user = a_suspended_user()
    user.request_deletion(ERASE_AFTER)

    user.withdraw_deletion(NOW)

    assert user.status is UserStatus.SUSPENDED


def test_a_suspended_user_can_be_reinstated_while_waiting() -> None:
    user = a_suspended_user()
    user.request_deletion(ERASE_AFTER)

    given(user).when(ASKS["reinstate"]).then(happened(User.Reinstated, reason=REASON))

    assert user.status is UserStatus.DELETION_REQUESTED


def test_a_deactivated_user_who_withdraws_is_still_deactivated() -> None:
    user = a_deactivated_user()
    user.request_deletion(ERASE_AFTER)

    user.withdraw_deletion(NOW)

    assert user.status is UserStatus.DEACTIVATED
