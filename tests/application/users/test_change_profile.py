"""Changing a profile: one fact for each thing that really changes, all of them or none."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from application.unit_of_work import Saved
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from domain import errors
from domain.users import User
from tests.support.in_memory_log import InMemoryLog
from tests.support.scenarios import Fact, happened
from tests.support.users import (
    BIRTH_DATE,
    LOCALE,
    a_deactivated_user,
    a_suspended_user,
    a_user_waiting_for_deletion,
    an_active_user,
    an_erased_user,
)


def change(log: InMemoryLog, user: User, **patch: Any) -> Saved:
    return log.run(change_profile, ChangeProfile(user_id=user.id, patch=msgspec.convert(patch, ProfilePatch)))


@pytest.mark.parametrize(
    ("patch", "fact"),
    [
        ({"displayName": " Countess "}, happened(User.DisplayNameChanged, display_name="Countess")),
        ({"country": "SE"}, happened(User.CountryChanged, country="SE")),
        ({"locale": "sv_SE"}, happened(User.LocaleChanged, locale="sv-SE")),
        ({"birthDate": "2013-03-14"}, happened(User.BirthDateChanged, birth_date=date(2013, 3, 14))),
        (
            {"explicitContentFilter": True},
            happened(User.ExplicitContentFilterChanged, explicit_content_filter=True),
        ),
    ],
)
def test_each_thing_is_a_fact_of_its_own(patch: dict[str, Any], fact: Fact) -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    change(log, user, **patch)

    assert log.news() == [fact]


def test_several_things_are_several_facts() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    saved = change(
        log,
        user,
        explicitContentFilter=True,
        birthDate="1990-12-10",
        locale="sv",
        country="SE",
        displayName="Countess",
    )

    assert log.news() == [
        happened(User.DisplayNameChanged, display_name="Countess"),
        happened(User.CountryChanged, country="SE"),
        happened(User.LocaleChanged, locale="sv"),
        happened(User.BirthDateChanged, birth_date=BIRTH_DATE),
        happened(User.ExplicitContentFilterChanged, explicit_content_filter=True),
    ]
    assert saved.version == 7


def test_what_is_so_already_is_no_fact() -> None:
    log, user = InMemoryLog(), an_active_user(locale=LOCALE, birth_date=BIRTH_DATE, explicit_content_filter=True)
    log.has(user)

    saved = change(
        log,
        user,
        displayName="  Ada",
        country="GB",
        locale="en_gb",
        birthDate="1990-12-10",
        explicitContentFilter=True,
    )

    assert log.news() == []
    assert (saved.version, saved.position) == (2, log.head)


def test_only_what_really_changes_is_a_fact() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    change(log, user, displayName="Ada", country="SE")

    assert log.news() == [happened(User.CountryChanged, country="SE")]


def test_an_empty_patch_records_nothing() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    change(log, user)

    assert log.news() == []


def test_null_takes_the_locale_and_the_birth_date_away() -> None:
    log, user = InMemoryLog(), an_active_user(locale=LOCALE, birth_date=BIRTH_DATE)
    log.has(user)

    change(log, user, locale=None, birthDate=None)

    assert log.news() == [happened(User.LocaleChanged, locale=None), happened(User.BirthDateChanged, birth_date=None)]


def test_null_where_there_is_nothing_records_nothing() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    change(log, user, locale=None, birthDate=None)

    assert log.news() == []


def test_what_is_left_out_stays() -> None:
    log, user = InMemoryLog(), an_active_user(locale=LOCALE, birth_date=BIRTH_DATE)
    log.has(user)

    change(log, user, country="SE")

    changed = log.user(user.id)
    assert (changed.locale, changed.birth_date, changed.display_name) == (LOCALE, BIRTH_DATE, user.display_name)


@pytest.mark.parametrize("field", ["displayName", "country", "explicitContentFilter"])
def test_null_is_no_value_for_what_everybody_has(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: None}, ProfilePatch)


@pytest.mark.parametrize("field", ["email", "emailVerified", "status", "version", "externalId", "display_name", "id"])
def test_what_a_profile_does_not_hold_cannot_be_sent(field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({field: True}, ProfilePatch)


@pytest.mark.parametrize(
    ("patch", "refusal"),
    [
        ({"displayName": "\u202eAda"}, errors.DisplayNameHasControlCharacters),
        ({"country": "uk"}, errors.CountryUnknown),
        ({"locale": "xx"}, errors.LocaleUnknown),
        ({"birthDate": "2013-03-15"}, errors.TooYoung),
        ({"birthDate": "2026-03-14"}, errors.BirthDateInFuture),
    ],
)
def test_one_thing_that_breaks_a_rule_refuses_them_all(
    patch: dict[str, Any], refusal: type[errors.DomainError]
) -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    with pytest.raises(refusal):
        change(log, user, **{"displayName": "Countess", "explicitContentFilter": True, **patch})

    assert log.news() == []


@pytest.mark.parametrize(
    ("user", "refusal"),
    [
        (a_suspended_user(), errors.UserIsSuspended),
        (a_deactivated_user(), errors.UserIsDeactivated),
        (a_user_waiting_for_deletion(), errors.DeletionIsPending),
        (an_erased_user(), errors.UserIsErased),
    ],
)
def test_only_an_open_account_can_be_changed(user: User, refusal: type[errors.DomainError]) -> None:
    log = InMemoryLog()
    log.has(user)

    with pytest.raises(refusal):
        change(log, user, country="SE")

    assert log.news() == []


@pytest.mark.parametrize("patch", [{}, {"displayName": "Ada"}])
@pytest.mark.parametrize("closed", [a_suspended_user, a_deactivated_user, a_user_waiting_for_deletion])
def test_a_closed_account_refuses_even_a_patch_that_changes_nothing(
    closed: Callable[[], User], patch: dict[str, str]
) -> None:
    log, user = InMemoryLog(), closed()
    log.has(user)

    with pytest.raises(errors.Conflict):
        change(log, user, **patch)


def test_an_unknown_user_cannot_be_changed() -> None:
    with pytest.raises(errors.UserNotFound):
        InMemoryLog().run(change_profile, ChangeProfile(user_id=uuid4(), patch=ProfilePatch(country="SE")))
