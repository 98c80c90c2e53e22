"""A user with a verified address and nothing in the way of anything."""

import pytest

from domain.errors import VerificationTokenInvalid
from domain.users import User
from domain.values import EmailAddress
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, NOW
from tests.support.outcomes import NOTHING, Outcome, check
from tests.support.scenarios import Ask, given, happened
from tests.support.users import (
    ADS,
    ASKS,
    BIRTH_DATE,
    COUNTRY,
    DOCUMENT,
    EMAIL,
    LOCALE,
    NAME,
    OFTEN,
    OTHER_COUNTRY,
    OTHER_EMAIL,
    OTHER_NAME,
    REASON,
    THIRD_EMAIL,
    an_active_user,
)

OUTCOMES: dict[str, Outcome] = {
    "request_email_change": happened(
        User.EmailChangeRequested, email=THIRD_EMAIL, confirm_by=ERASE_AFTER, asked_at=NOW
    ),
    "confirm_email": VerificationTokenInvalid,
    "change_display_name": happened(User.DisplayNameChanged, display_name=OTHER_NAME),
    "must_be_there": NOTHING,
    "must_be_open": NOTHING,
    "accept_email": NOTHING,
    "change_country": happened(User.CountryChanged, country=OTHER_COUNTRY),
    "change_locale": happened(User.LocaleChanged, locale=LOCALE),
    "change_birth_date": happened(User.BirthDateChanged, birth_date=BIRTH_DATE),
    "change_explicit_content_filter": happened(User.ExplicitContentFilterChanged, explicit_content_filter=True),
    "record_consent": happened(User.ConsentGranted, purpose=ADS, document_version=DOCUMENT),
    "suspend": happened(User.Suspended, reason=REASON),
    "reinstate": NOTHING,
    "deactivate": happened(User.Deactivated),
    "reactivate": NOTHING,
    "request_deletion": happened(User.DeletionRequested, erase_after=ERASE_AFTER),
    "withdraw_deletion": NOTHING,
    "erase": happened(User.Erased),
    "erase_when_due": NOTHING,
}


@pytest.mark.parametrize("ask", ASKS)
def test_an_active_user_may_do_everything_and_confirms_only_what_was_asked(ask: str) -> None:
    check(given(an_active_user()).when(ASKS[ask]), OUTCOMES[ask])


NOTHING_NEW: dict[str, Ask[User]] = {
    "the present address": lambda user: user.request_email_change(EMAIL, CONFIRM_BY, NOW, OFTEN),
    "the present name": lambda user: user.change_display_name(NAME),
    "the present country": lambda user: user.change_country(COUNTRY),
    "the locale that there is not": lambda user: user.change_locale(None),
    "the birth date that there is not": lambda user: user.change_birth_date(None),
    "the present filter": lambda user: user.change_explicit_content_filter(explicit_content_filter=False),
}


@pytest.mark.parametrize("ask", NOTHING_NEW)
def test_asking_for_what_is_so_already_records_nothing(ask: str) -> None:
    given(an_active_user()).when(NOTHING_NEW[ask]).then()


@pytest.mark.parametrize("ask", sorted(ASKS.keys() - {"confirm_email", "request_email_change"}))
def test_asking_twice_records_it_once(ask: str) -> None:
    user = an_active_user()
    ASKS[ask](user)

    given(user).when(ASKS[ask]).then()


def test_a_locale_can_be_taken_away() -> None:
    user = an_active_user(locale=LOCALE)

    given(user).when(lambda user: user.change_locale(None)).then(happened(User.LocaleChanged, locale=None))


def test_a_birth_date_can_be_taken_away() -> None:
    user = an_active_user(birth_date=BIRTH_DATE)

    given(user).when(lambda user: user.change_birth_date(None)).then(happened(User.BirthDateChanged, birth_date=None))


def test_explicit_content_can_be_shown_again() -> None:
    user = an_active_user(explicit_content_filter=True)

    given(user).when(lambda user: user.change_explicit_content_filter(explicit_content_filter=False)).then(
        happened(User.ExplicitContentFilterChanged, explicit_content_filter=False)
    )


def test_several_changes_are_several_facts() -> None:
    given(an_active_user()).when(ASKS["change_country"], ASKS["change_display_name"]).then(
        happened(User.CountryChanged, country=OTHER_COUNTRY),
        happened(User.DisplayNameChanged, display_name=OTHER_NAME),
    )


def test_a_change_of_spelling_is_a_change_of_address() -> None:
    loud = EmailAddress("ADA@example.com")

    given(an_active_user()).when(lambda user: user.request_email_change(loud, CONFIRM_BY, NOW, OFTEN)).then(
        happened(User.EmailChangeRequested, email=loud, confirm_by=CONFIRM_BY, asked_at=NOW)
    )


def test_an_address_that_was_asked_for_does_not_count_until_it_is_confirmed() -> None:
    user = an_active_user()

    user.request_email_change(OTHER_EMAIL, CONFIRM_BY, NOW, OFTEN)

    assert (user.email, user.pending_email, user.email_verified) == (EMAIL, OTHER_EMAIL, True)
