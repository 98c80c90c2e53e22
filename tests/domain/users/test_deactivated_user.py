"""A user who has put their account to rest."""

import pytest

from domain.errors import UserIsDeactivated
from domain.users import User
from domain.users.values import UserStatus
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, NOW
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
    a_user_with_a_pending_email,
)

OUTCOMES: dict[str, Outcome] = {
    "request_email_change": UserIsDeactivated,
    "confirm_email": UserIsDeactivated,
    "change_display_name": UserIsDeactivated,
    "must_be_there": NOTHING,
    "must_be_open": UserIsDeactivated,
    "accept_email": UserIsDeactivated,
    "change_country": UserIsDeactivated,
    "change_locale": UserIsDeactivated,
    "change_birth_date": UserIsDeactivated,
    "change_explicit_content_filter": UserIsDeactivated,
    "record_consent": happened(User.ConsentGranted, purpose=ADS, document_version=DOCUMENT),
    "suspend": happened(User.Suspended, reason=REASON),
    "reinstate": NOTHING,
    "deactivate": NOTHING,
    "reactivate": happened(User.Reactivated),
    "request_deletion": happened(User.DeletionRequested, erase_after=ERASE_AFTER),
    "withdraw_deletion": NOTHING,
    "erase": happened(User.Erased),
    "erase_when_due": NOTHING,
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_deactivated_user_must_reactivate_before_changing_anything(ask: str) -> None:
    check(given(a_deactivated_user()).when(ASKS[ask]), OUTCOMES[ask])


def test_deactivating_makes_the_user_deactivated() -> None:
    assert a_deactivated_user().status is UserStatus.DEACTIVATED


def test_reactivating_makes_the_user_active_again() -> None:
    user = a_deactivated_user()

    user.reactivate()

    assert user.status is UserStatus.ACTIVE


def test_a_deactivated_user_is_refused_even_what_would_change_nothing() -> None:
    given(a_deactivated_user()).when(lambda user: user.change_display_name(NAME)).then_refused(UserIsDeactivated)
    given(a_deactivated_user()).when(
        lambda user: user.request_email_change(EMAIL, CONFIRM_BY, NOW, OFTEN)
    ).then_refused(UserIsDeactivated)


def test_a_deactivated_user_cannot_confirm_an_address_they_asked_for_before() -> None:
    user = a_user_with_a_pending_email()
    user.deactivate()

    given(user).when(ASKS["confirm_email"]).then_refused(UserIsDeactivated)
