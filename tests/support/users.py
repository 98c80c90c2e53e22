"""Users in each state of their life, and everything a user can be asked for."""

from datetime import date, datetime
from typing import Any

from application.policy import DAY
from domain.limits import REMEMBERED, Limit
from domain.users import User
from domain.users.values import BirthDate, DisplayName, DocumentVersion, Purpose
from domain.values import Country, EmailAddress, Locale, Reason
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, NOW
from tests.support.scenarios import Ask

EMAIL = EmailAddress("ada@example.com")
OTHER_EMAIL = EmailAddress("lovelace@example.org")
THIRD_EMAIL = EmailAddress("countess@example.net")
NAME = DisplayName("Ada")
OTHER_NAME = DisplayName("Countess of Lovelace")
COUNTRY = Country("GB")
OTHER_COUNTRY = Country("SE")
LOCALE = Locale("en-GB")
BIRTH_DATE = BirthDate(date(1990, 12, 10))
ADS = Purpose("personalised-ads")
DOCUMENT = DocumentVersion("2026-01")
OTHER_DOCUMENT = DocumentVersion("2026-02")
REASON = Reason("Chargeback")
OFTEN = Limit(REMEMBERED, DAY)
"""More often than examples ask for mails."""

ASKS: dict[str, Ask[User]] = {
    "request_email_change": lambda user: user.request_email_change(THIRD_EMAIL, ERASE_AFTER, NOW, OFTEN),
    "confirm_email": lambda user: user.confirm_email(NOW),
    "must_be_there": lambda user: user.must_be_there(),
    "must_be_open": lambda user: user.must_be_open(),
    "accept_email": lambda user: user.accept_email(),
    "change_display_name": lambda user: user.change_display_name(OTHER_NAME),
    "change_country": lambda user: user.change_country(OTHER_COUNTRY),
    "change_locale": lambda user: user.change_locale(LOCALE),
    "change_birth_date": lambda user: user.change_birth_date(BIRTH_DATE),
    "change_explicit_content_filter": lambda user: user.change_explicit_content_filter(explicit_content_filter=True),
    "record_consent": lambda user: user.record_consent(ADS, DOCUMENT, granted=True),
    "suspend": lambda user: user.suspend(REASON),
    "reinstate": lambda user: user.reinstate(REASON),
    "deactivate": lambda user: user.deactivate(),
    "reactivate": lambda user: user.reactivate(),
    "request_deletion": lambda user: user.request_deletion(ERASE_AFTER),
    "withdraw_deletion": lambda user: user.withdraw_deletion(NOW),
    "erase": lambda user: user.erase(),
    "erase_when_due": lambda user: user.erase_when_due(ERASE_AFTER),
}
"""Each method of a user, with what is new to a user of these examples."""

PROFILE_CHANGES = (
    "change_display_name",
    "change_country",
    "change_locale",
    "change_birth_date",
    "change_explicit_content_filter",
)


def an_unverified_user(email: EmailAddress = EMAIL, confirm_by: datetime | None = CONFIRM_BY, **facts: Any) -> User:
    """Registered a moment ago, and asked to confirm the address."""
    facts = {"display_name": NAME, "country": COUNTRY} | facts
    return User(email=email, confirm_by=confirm_by, **facts)


def an_active_user(email: EmailAddress = EMAIL, **facts: Any) -> User:
    """With a verified address, and nothing in the way of anything."""
    user = an_unverified_user(email, **facts)
    user.confirm_email(NOW)
    return user


def a_user_with_a_pending_email(email: EmailAddress = EMAIL, pending: EmailAddress = OTHER_EMAIL) -> User:
    """With a verified address, and asked to confirm another one."""
    user = an_active_user(email)
    user.request_email_change(pending, CONFIRM_BY, NOW, OFTEN)
    return user


def a_suspended_user(email: EmailAddress = EMAIL) -> User:
    user = an_active_user(email)
    user.suspend(REASON)
    return user


def a_deactivated_user(email: EmailAddress = EMAIL) -> User:
    user = an_active_user(email)
    user.deactivate()
    return user


def a_user_waiting_for_deletion(email: EmailAddress = EMAIL) -> User:
    user = an_active_user(email)
    user.request_deletion(ERASE_AFTER)
    return user


def an_erased_user(email: EmailAddress = EMAIL) -> User:
    user = an_active_user(email)
    user.erase()
    return user
