"""The directory: what each fact means for a person's row, and that it agrees with the person themselves."""

import copy
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from msgspec.structs import asdict, replace

from application.recorded import Recorded
from application.users.directory import USER_DIRECTORY, UserEntry, name_columns, name_key, user_entry
from domain.kernel import AggregateEvent, event_types
from domain.users import User
from domain.users.values import UserStatus
from domain.values import email_key
from tests.support.histories import histories, lived
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, NOW
from tests.support.scenarios import Ask, event_of
from tests.support.users import ADS, BIRTH_DATE, DOCUMENT, OTHER_EMAIL, REASON, an_unverified_user

ADA = UUID("01960000-0000-7000-8000-00000000000a")
LATER = NOW + timedelta(hours=1)


def recorded(event: Any, position: int = 1, **changes: Any) -> Recorded[Any]:
    return replace(Recorded(event=event, topic=event.TOPIC, position=position, recorded_at=NOW), **changes)


def fact(event_type: type[AggregateEvent], version: int = 2, **payload: Any) -> Recorded[Any]:
    return recorded(event_of(event_type, stream_id=ADA, version=version, **payload), recorded_at=LATER)


REGISTERED = recorded(
    event_of(User.Registered, stream_id=ADA, email="Ada@example.com", display_name="Ada KING", country="GB")
)
ENTRY = UserEntry(
    user_id=ADA,
    version=1,
    email="Ada@example.com",
    email_key="ada@example.com",
    display_name="Ada KING",
    name_key="ada king",
    word_1="ada",
    word_2="king",
    country="GB",
    created_at=NOW,
    updated_at=NOW,
)
CLOSED = replace(ENTRY, suspended=True, deactivated=True, deletion_requested=True, status="deletion_requested")


def test_registering_makes_the_row() -> None:
    assert user_entry(None, REGISTERED) == ENTRY


def test_registering_fills_the_row_with_all_that_was_told() -> None:
    told = {"locale": "en-GB", "external_id": "crm-1", "birth_date": BIRTH_DATE, "explicit_content_filter": True}
    event = replace(REGISTERED.event, confirm_by=CONFIRM_BY, **told)

    assert user_entry(None, recorded(event)) == replace(ENTRY, locale="en-GB", external_id="crm-1")


CHANGES: list[tuple[UserEntry, Recorded[Any], dict[str, Any]]] = [
    (ENTRY, fact(User.EmailVerificationRequested, confirm_by=CONFIRM_BY), {}),
    (ENTRY, fact(User.EmailVerified), {"email_verified": True}),
    (ENTRY, fact(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY), {}),
    (ENTRY, fact(User.EmailChangeWithdrawn), {}),
    (
        ENTRY,
        fact(User.EmailChanged, email="STRASSE@example.org"),
        {"email": "STRASSE@example.org", "email_key": "strasse@example.org", "email_verified": True},
    ),
    (
        ENTRY,
        fact(User.DisplayNameChanged, display_name="Zoë O'Brien"),
        {
            "display_name": "Zoë O'Brien",
            "name_key": "zoë o'brien",
            "word_1": "zoe",
            "word_2": "obrien",
            "word_3": "brien",
            "more_words": "o",
        },
    ),
    (ENTRY, fact(User.CountryChanged, country="SE"), {"country": "SE"}),
    (ENTRY, fact(User.LocaleChanged, locale="sv-SE"), {"locale": "sv-SE"}),
    (replace(ENTRY, locale="sv"), fact(User.LocaleChanged, locale=None), {"locale": None}),
    (ENTRY, fact(User.BirthDateChanged, birth_date=BIRTH_DATE), {}),
    (ENTRY, fact(User.ExplicitContentFilterChanged, explicit_content_filter=True), {}),
    (ENTRY, fact(User.ConsentGranted, purpose=ADS, document_version=DOCUMENT), {}),
    (ENTRY, fact(User.ConsentWithdrawn, purpose=ADS, document_version=DOCUMENT), {}),
    (ENTRY, fact(User.Suspended, reason=REASON), {"suspended": True, "status": "suspended"}),
    (ENTRY, fact(User.Deactivated), {"deactivated": True, "status": "deactivated"}),
    (
        ENTRY,
        fact(User.DeletionRequested, erase_after=ERASE_AFTER),
        {"deletion_requested": True, "status": "deletion_requested"},
    ),
    (CLOSED, fact(User.DeletionWithdrawn), {"deletion_requested": False, "status": "suspended"}),
    (CLOSED, fact(User.Reinstated, reason=REASON), {"suspended": False}),
    (
        replace(CLOSED, deletion_requested=False, status="suspended"),
        fact(User.Reinstated, reason=REASON),
        {"suspended": False, "status": "deactivated"},
    ),
    (
        replace(ENTRY, deactivated=True, status="deactivated"),
        fact(User.Reactivated),
        {"deactivated": False, "status": "active"},
    ),
]


@pytest.mark.parametrize(("entry", "change", "columns"), CHANGES)
def test_a_fact_changes_its_own_columns_the_version_and_the_time(
    entry: UserEntry, change: Recorded[Any], columns: dict[str, Any]
) -> None:
    assert user_entry(entry, change) == replace(entry, version=2, updated_at=LATER, **columns)


def test_every_fact_of_a_user_is_in_the_table_above() -> None:
    shown = {type(change.event) for _, change, _ in CHANGES} | {User.Registered, User.Erased}

    assert shown == set(event_types(User)) == set(USER_DIRECTORY.events)


@pytest.mark.parametrize("entry", [ENTRY, CLOSED])
def test_erasing_takes_the_row_away(entry: UserEntry) -> None:
    assert user_entry(entry, fact(User.Erased)) is None


@pytest.mark.parametrize(("change"), [change for _, change, _ in CHANGES])
def test_nothing_comes_back_after_an_erasure(change: Recorded[Any]) -> None:
    assert user_entry(None, change) is None


@pytest.mark.parametrize(("entry", "change", "_"), CHANGES)
def test_a_fold_changes_neither_the_row_before_nor_the_fact(entry: UserEntry, change: Recorded[Any], _: Any) -> None:
    entry_before, change_before = copy.deepcopy(entry), copy.deepcopy(change)

    user_entry(entry, change)

    assert (entry, change) == (entry_before, change_before)


@pytest.mark.parametrize("text", ["Straße", "STRASSE", "strasse"])
def test_names_are_searched_without_regard_to_case(text: str) -> None:
    assert name_key(text) == "strasse"


@for_all(histories())
def test_the_row_agrees_with_the_person_at_every_moment(asks: list[Ask[User]]) -> None:
    events: list[Any] = list(lived(an_unverified_user(), asks).collect_events())
    user: Any = None
    entry: UserEntry | None = None

    for position, event in enumerate(events, start=1):
        user = event.mutate(user)
        entry = user_entry(entry, recorded(event, position, recorded_at=NOW + timedelta(seconds=position)))

        assert _shown(entry) == _expected(user)


def _shown(entry: UserEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {name: value for name, value in asdict(entry).items() if name not in {"created_at", "updated_at"}}


def _expected(user: User) -> dict[str, Any] | None:
    if user.status is UserStatus.ERASED:
        return None
    return {
        "user_id": user.id,
        "version": user.version,
        "email": user.email,
        "email_key": email_key(user.email),
        "email_verified": user.email_verified,
        "display_name": user.display_name,
        "name_key": user.display_name.casefold(),
        **name_columns(user.display_name),
        "country": user.country,
        "locale": user.locale,
        "external_id": user.external_id,
        "status": user.status,
        "suspended": user.suspended,
        "deactivated": user.deactivated,
        "deletion_requested": user.erase_after is not None,
    }


def test_a_row_is_kept_for_each_person_and_found_by_its_columns() -> None:
    assert (USER_DIRECTORY.key_column, USER_DIRECTORY.appends) == ("user_id", False)
    assert USER_DIRECTORY.key(REGISTERED) == ADA
    assert {column for index in USER_DIRECTORY.indexes for column in index.columns} <= set(UserEntry.__struct_fields__)
