"""Events as stored bytes: complete, readable, without what stands beside them, and back without a difference."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import NODEFAULT

from domain.access_records.access_record import AccessRecord
from domain.aggregates import AGGREGATES
from domain.kernel import AggregateEvent, event_types, payload_fields
from domain.privacy.data_export import DataExport
from domain.users import User
from domain.users.email_claim import EmailClaim
from infrastructure.log.event_codec import (
    FORMS,
    UndecodableEventError,
    UnknownTopicError,
    decode,
    encode,
)
from tests.support.instants import NOW
from tests.support.scenarios import event_of
from tests.support.users import COUNTRY, EMAIL, NAME
from tests.support.values import events

STREAM = UUID("01960000-0000-7000-8000-00000000000a")
EVENT_TYPES = event_types(User) + event_types(EmailClaim) + event_types(AccessRecord) + event_types(DataExport)
TOPICS = {form.event_type: topic for topic, form in FORMS.items()}


def decoded(topic: str, state: bytes) -> Any:
    return decode(topic, state, STREAM, 1, NOW)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@for_all(st.data())
def test_every_event_survives_being_stored(event_type: type[AggregateEvent], data: st.DataObject) -> None:
    event = data.draw(events(event_type))

    topic, state = encode(event)
    found = decode(topic, state, event.originator_id, event.originator_version, event.timestamp)

    assert found == event
    assert type(found) is event_type


def test_every_aggregate_s_every_event_has_a_form() -> None:
    assert set(FORMS) == {getattr(event_type, "TOPIC", None) for event_type in EVENT_TYPES}
    assert set(AGGREGATES) == {User, EmailClaim, AccessRecord, DataExport}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_defaults_are_single_objects_because_they_are_told_by_what_they_are(event_type: type[AggregateEvent]) -> None:
    """msgspec leaves a default out if it is that very object: an equal text or number would be stored."""
    defaults = [field.default for field in payload_fields(event_type) if field.default is not NODEFAULT]

    assert all(default is None or default == () or isinstance(default, bool) for default in defaults)


def test_the_stored_form_is_the_payload_as_json_without_defaults() -> None:
    event = event_of(User.Registered, email=EMAIL, display_name=NAME, country="GB", locale="en-GB")

    assert encode(event) == (
        "user.registered",
        b'{"email":"ada@example.com","display_name":"Ada","country":"GB","locale":"en-GB"}',
    )


def test_what_has_columns_of_its_own_is_not_stored_twice() -> None:
    event = event_of(User.Deactivated, stream_id=STREAM, version=12)

    assert encode(event) == ("user.deactivated", b"{}")


def test_a_field_that_was_emptied_is_stored_as_such() -> None:
    assert encode(event_of(User.LocaleChanged, locale=None)) == ("user.locale_changed", b'{"locale":null}')
    assert encode(event_of(User.ExplicitContentFilterChanged, explicit_content_filter=False)) == (
        "user.explicit_content_filter_changed",
        b'{"explicit_content_filter":false}',
    )


def test_instants_are_stored_to_the_microsecond_and_come_back_in_utc() -> None:
    elsewhere = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC).astimezone()

    topic, state = encode(event_of(User.DeletionRequested, erase_after=elsewhere))

    assert decoded(topic, state).erase_after == NOW
    assert decoded(topic, state).erase_after.utcoffset() == timedelta(0)


def test_the_place_in_the_log_is_given_from_outside() -> None:
    later = NOW + timedelta(days=1)

    event = decode("user.deactivated", b"{}", STREAM, 12, later)

    assert (event.originator_id, event.originator_version, event.timestamp) == (STREAM, 12, later)


def test_a_first_fact_that_was_stored_makes_the_user_again() -> None:
    user = User(email=EMAIL, display_name=NAME, country=COUNTRY)
    (registered,) = user.collect_events()
    assert isinstance(registered, User.Registered)

    topic, state = encode(registered)
    found = decode(topic, state, user.id, 1, registered.timestamp)

    assert found.mutate(None) == user


def test_fields_that_a_later_version_added_are_passed_over() -> None:
    state = b'{"locale":"sv","reason_for_change":{"a":[1]},"schema":2}'

    assert decoded("user.locale_changed", state) == event_of(User.LocaleChanged, stream_id=STREAM, locale="sv")


def test_a_topic_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownTopicError, match=r"user\.teleported"):
        decoded("user.teleported", b"{}")


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"null",
        b"[]",
        b'"secret@example.com"',
        b'{"email":"secret@example.com"',
        b'{"email":"secret@example.com"}',
        b'{"email":1,"confirm_by":"2026-03-17T15:09:26Z"}',
        b'{"email":"secret@example.com","confirm_by":"soon"}',
        b'{"email":"secret@example.com","confirm_by":null}',
        b'{"email":"secret\xff","confirm_by":"2026-03-17T15:09:26Z"}',
        b'{"email":"secret@example.com","confirm_by":"2026-03-17T15:09:26Z"} x',
        b"\x00\xff",
    ],
)
def test_bytes_that_are_no_payload_are_refused_without_being_shown(state: bytes) -> None:
    with pytest.raises(UndecodableEventError) as refusal:
        decoded("user.email_change_requested", state)

    assert str(refusal.value) == "user.email_change_requested"
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@for_all(st.sampled_from(sorted(FORMS)), st.binary())
def test_any_bytes_are_an_event_or_refused(topic: str, state: bytes) -> None:
    try:
        event = decoded(topic, state)
    except UndecodableEventError:
        return
    assert type(event) is FORMS[topic].event_type


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_field_that_is_needed_is_never_left_out(event_type: type[AggregateEvent]) -> None:
    needed = [field for field in payload_fields(event_type) if field.required]

    if needed:
        with pytest.raises(UndecodableEventError):
            decoded(TOPICS[event_type], b"{}")
    else:
        assert decoded(TOPICS[event_type], b"{}")
