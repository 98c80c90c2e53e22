"""A user who asked for another address and has not confirmed it yet."""

import pytest

from domain.errors import VerificationTokenInvalid
from domain.users import EmailRequest, User
from domain.values import EmailAddress
from tests.domain.users.test_active_user import OUTCOMES as OUTCOMES_OF_AN_ACTIVE_USER
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, MOMENT, NOW
from tests.support.outcomes import Outcome, check
from tests.support.scenarios import given, happened
from tests.support.users import (
    ASKS,
    EMAIL,
    OFTEN,
    OTHER_EMAIL,
    THIRD_EMAIL,
    a_user_with_a_pending_email,
    an_unverified_user,
)

OUTCOMES: dict[str, Outcome] = {
    **OUTCOMES_OF_AN_ACTIVE_USER,
    "confirm_email": happened(User.EmailChanged, email=OTHER_EMAIL),
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_user_with_a_pending_address_may_do_what_others_may_and_confirm_it(ask: str) -> None:
    check(given(a_user_with_a_pending_email()).when(ASKS[ask]), OUTCOMES[ask])


def test_confirming_moves_the_user_to_the_new_address() -> None:
    user = a_user_with_a_pending_email()

    user.confirm_email(NOW)

    assert (user.email, user.email_verified, user.pending_email, user.email_request) == (OTHER_EMAIL, True, None, None)


def test_confirming_twice_is_refused() -> None:
    user = a_user_with_a_pending_email()
    user.confirm_email(NOW)

    given(user).when(lambda user: user.confirm_email(NOW)).then_refused(VerificationTokenInvalid)


def test_confirming_is_possible_up_to_the_last_moment() -> None:
    given(a_user_with_a_pending_email()).when(lambda user: user.confirm_email(CONFIRM_BY - MOMENT)).then(
        happened(User.EmailChanged, email=OTHER_EMAIL)
    )


def test_confirming_at_the_deadline_is_too_late() -> None:
    given(a_user_with_a_pending_email()).when(lambda user: user.confirm_email(CONFIRM_BY)).then_refused(
        VerificationTokenInvalid
    )


def test_asking_for_a_third_address_supersedes_the_second() -> None:
    user = a_user_with_a_pending_email()

    user.request_email_change(THIRD_EMAIL, ERASE_AFTER, NOW, OFTEN)

    assert user.email_request == EmailRequest(THIRD_EMAIL, ERASE_AFTER, asked_at_version=4)
    given(user).when(lambda user: user.confirm_email(NOW)).then(happened(User.EmailChanged, email=THIRD_EMAIL))


@pytest.mark.parametrize("spelling", [OTHER_EMAIL, EmailAddress("LoveLace@example.org")])
def test_asking_for_the_same_address_again_is_a_new_question_with_the_first_deadline(spelling: EmailAddress) -> None:
    user, later = a_user_with_a_pending_email(), NOW + MOMENT
    asked_before = user.email_request

    given(user).when(lambda user: user.request_email_change(spelling, ERASE_AFTER, later, OFTEN)).then(
        happened(User.EmailChangeRequested, email=spelling, confirm_by=CONFIRM_BY, asked_at=later)
    )

    assert user.email_request != asked_before


def test_asking_for_the_same_address_again_after_the_deadline_is_a_new_question_with_a_new_one() -> None:
    given(a_user_with_a_pending_email()).when(
        lambda user: user.request_email_change(OTHER_EMAIL, ERASE_AFTER, CONFIRM_BY, OFTEN)
    ).then(happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=ERASE_AFTER, asked_at=CONFIRM_BY))


def test_asking_for_the_present_address_withdraws_the_wish_for_another() -> None:
    user = a_user_with_a_pending_email()

    given(user).when(lambda user: user.request_email_change(EMAIL, CONFIRM_BY, NOW, OFTEN)).then(
        happened(User.EmailChangeWithdrawn)
    )

    assert (user.email, user.pending_email, user.email_request) == (EMAIL, None, None)


def test_going_back_to_an_address_that_was_never_verified_asks_for_it_again() -> None:
    user = an_unverified_user()
    user.request_email_change(OTHER_EMAIL, CONFIRM_BY, NOW, OFTEN)

    given(user).when(lambda user: user.request_email_change(EMAIL, ERASE_AFTER, NOW, OFTEN)).then(
        happened(User.EmailChangeWithdrawn),
        happened(User.EmailVerificationRequested, confirm_by=ERASE_AFTER, asked_at=NOW),
    )


def test_after_a_withdrawal_nothing_can_be_confirmed() -> None:
    user = a_user_with_a_pending_email()
    user.request_email_change(EMAIL, CONFIRM_BY, NOW, OFTEN)

    given(user).when(lambda user: user.confirm_email(NOW)).then_refused(VerificationTokenInvalid)
