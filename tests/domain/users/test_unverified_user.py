"""A user who has not shown yet that the address is theirs."""

import pytest

from domain.errors import VerificationTokenInvalid
from domain.users import EmailRequest, User
from domain.values import EmailAddress
from tests.domain.users.test_active_user import OUTCOMES as OUTCOMES_OF_AN_ACTIVE_USER
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, MOMENT, NOW
from tests.support.outcomes import Outcome, check
from tests.support.scenarios import given, happened
from tests.support.users import ASKS, EMAIL, OFTEN, OTHER_EMAIL, an_unverified_user

OUTCOMES: dict[str, Outcome] = {
    **OUTCOMES_OF_AN_ACTIVE_USER,
    "confirm_email": happened(User.EmailVerified),
    "accept_email": happened(User.EmailVerified),
}


@pytest.mark.parametrize("ask", ASKS)
def test_an_unverified_user_may_do_what_others_may_and_confirm_the_address(ask: str) -> None:
    check(given(an_unverified_user()).when(ASKS[ask]), OUTCOMES[ask])


def test_confirming_verifies_the_address_and_closes_the_question() -> None:
    user = an_unverified_user()

    user.confirm_email(NOW)

    assert (user.email, user.email_verified, user.email_request) == (EMAIL, True, None)


def test_confirming_twice_is_refused() -> None:
    user = an_unverified_user()
    user.confirm_email(NOW)

    given(user).when(lambda user: user.confirm_email(NOW)).then_refused(VerificationTokenInvalid)


def test_an_address_that_was_verified_elsewhere_is_verified_once() -> None:
    user = an_unverified_user()

    given(user).when(lambda user: user.accept_email()).then(happened(User.EmailVerified))
    given(user).when(lambda user: user.accept_email()).then()


def test_confirming_is_possible_up_to_the_last_moment() -> None:
    given(an_unverified_user()).when(lambda user: user.confirm_email(CONFIRM_BY - MOMENT)).then(
        happened(User.EmailVerified)
    )


def test_confirming_at_the_deadline_is_too_late() -> None:
    given(an_unverified_user()).when(lambda user: user.confirm_email(CONFIRM_BY)).then_refused(VerificationTokenInvalid)


def test_a_user_who_was_never_asked_cannot_confirm() -> None:
    given(an_unverified_user(confirm_by=None)).when(lambda user: user.confirm_email(NOW)).then_refused(
        VerificationTokenInvalid
    )


def test_asking_for_the_present_address_asks_for_it_to_be_confirmed_anew() -> None:
    given(an_unverified_user()).when(lambda user: user.request_email_change(EMAIL, ERASE_AFTER, NOW, OFTEN)).then(
        happened(User.EmailVerificationRequested, confirm_by=ERASE_AFTER, asked_at=NOW)
    )


def test_a_new_question_replaces_the_first() -> None:
    user = an_unverified_user()

    user.request_email_change(EMAIL, ERASE_AFTER, NOW, OFTEN)

    assert user.email_request == EmailRequest(EMAIL, ERASE_AFTER, asked_at_version=2)
    given(user).when(lambda user: user.confirm_email(CONFIRM_BY)).then(happened(User.EmailVerified))


def test_confirming_another_address_verifies_that_one() -> None:
    user = an_unverified_user()
    user.request_email_change(OTHER_EMAIL, CONFIRM_BY, NOW, OFTEN)

    user.confirm_email(NOW)

    assert (user.email, user.email_verified) == (OTHER_EMAIL, True)


def test_correcting_the_spelling_waits_for_confirmation_too() -> None:
    loud = EmailAddress("ADA@example.com")
    user = an_unverified_user()

    user.request_email_change(loud, CONFIRM_BY, NOW, OFTEN)

    assert (user.email, user.pending_email, user.email_verified) == (EMAIL, loud, False)
