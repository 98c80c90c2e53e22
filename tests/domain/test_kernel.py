"""What every aggregate and every event has, and which fields are personal."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.domain import OriginatorIDError, OriginatorVersionError

from application.unreadable import UnreadableEvent
from domain.access_records.access_record import AccessRecord, Reading
from domain.aggregates import AGGREGATES
from domain.errors import NotFound
from domain.kernel import (
    ALSO_ABOUT,
    KERNEL_FIELDS,
    SUBJECT,
    Aggregate,
    AggregateCreated,
    AggregateEvent,
    begins_person,
    event_types,
    payload_fields,
    people_of,
    personal_fields,
    purpose_of,
    records,
    subject_field,
    subject_getter,
)
from domain.privacy.data_export import DataExport
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.values import Country
from tests.support.instants import NOW
from tests.support.scenarios import event_of
from tests.support.users import an_active_user

EVENTS = [(aggregate, event_type) for aggregate in AGGREGATES for event_type in event_types(aggregate)]

TOPICS = {
    "user.registered",
    "user.email_verification_requested",
    "user.email_verified",
    "user.email_change_requested",
    "user.email_change_withdrawn",
    "user.email_changed",
    "user.display_name_changed",
    "user.country_changed",
    "user.locale_changed",
    "user.birth_date_changed",
    "user.explicit_content_filter_changed",
    "user.consent_granted",
    "user.consent_withdrawn",
    "user.suspended",
    "user.reinstated",
    "user.deactivated",
    "user.reactivated",
    "user.deletion_requested",
    "user.deletion_withdrawn",
    "user.erased",
    "email_claim.claimed",
    "email_claim.asked_for",
    "email_claim.contested",
    "email_claim.withdrawn",
    "email_claim.released",
    "access_record.people_read",
    "access_record.readings_lost",
    "data_export.requested",
}
"""Every stored name there has ever been: add to it, and never change or remove one."""

PERSONAL = {
    "user.registered": {"email", "display_name", "birth_date", "external_id"},
    "user.email_change_requested": {"email"},
    "user.email_changed": {"email"},
    "user.display_name_changed": {"display_name"},
    "user.birth_date_changed": {"birth_date"},
    "user.suspended": {"reason"},
    "user.reinstated": {"reason"},
}

NOT_PERSONAL = {
    "user.registered": {"country", "locale", "explicit_content_filter", "confirm_by", "occurred_at"},
    "user.email_verification_requested": {"confirm_by", "asked_at"},
    "user.email_change_requested": {"confirm_by", "asked_at"},
    "user.country_changed": {"country"},
    "user.locale_changed": {"locale"},
    "user.explicit_content_filter_changed": {"explicit_content_filter"},
    "user.consent_granted": {"purpose", "document_version", "occurred_at"},
    "user.consent_withdrawn": {"purpose", "document_version", "occurred_at"},
    "user.suspended": {"occurred_at"},
    "user.deactivated": {"occurred_at"},
    "user.deletion_requested": {"erase_after"},
    "email_claim.claimed": {"user_id", "reserved_until", "mailed_at"},
    "email_claim.asked_for": {"user_id", "mailed_at"},
    "email_claim.contested": {"user_id", "mailed_at"},
    "email_claim.withdrawn": {"user_id"},
    "email_claim.released": {"user_id"},
    "access_record.people_read": {"reading", "first_at", "user_ids", "purpose", "query"},
    "access_record.readings_lost": {"count", "first_at"},
    "data_export.requested": {"user_id", "good_until"},
}
"""A new field belongs into one of these tables: whether it tells something about a person is to be decided here."""


def topic_of(event_type: type[AggregateEvent]) -> str:
    topic = getattr(event_type, "TOPIC", None)
    assert isinstance(topic, str)
    return topic


@pytest.mark.parametrize(("aggregate", "event_type"), EVENTS)
def test_a_topic_is_the_event_s_name_in_snake_case(
    aggregate: type[Aggregate], event_type: type[AggregateEvent]
) -> None:
    snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", event_type.__name__).lower()

    assert topic_of(event_type) == f"{getattr(aggregate, 'TOPIC', None)}.{snake_case}"


def test_no_stored_name_ever_changes_or_is_used_twice() -> None:
    topics = [topic_of(event_type) for _, event_type in EVENTS]

    assert len(topics) == len(set(topics))
    assert set(topics) == TOPICS


@pytest.mark.parametrize("event_type", [event_type for _, event_type in EVENTS])
def test_it_is_decided_for_every_field_whether_it_is_personal(event_type: type[AggregateEvent]) -> None:
    topic = topic_of(event_type)

    assert personal_fields(event_type) == PERSONAL.get(topic, set())
    assert {field.name for field in payload_fields(event_type) if not purpose_of(field)} == set()
    assert {field.name for field in payload_fields(event_type)} == PERSONAL.get(topic, set()) | NOT_PERSONAL.get(
        topic, set()
    )


@pytest.mark.parametrize(("aggregate", "event_type"), EVENTS)
def test_every_event_is_frozen_and_explained(aggregate: type[Aggregate], event_type: type[AggregateEvent]) -> None:
    written = [base for base in event_type.__mro__ if base.__name__ == event_type.__name__]

    assert getattr(aggregate, event_type.__name__) is event_type
    assert event_type.__struct_config__.frozen
    assert any(base.__doc__ for base in written)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_what_there_is_before_the_first_event_is_either_blank_or_an_error_of_its_kind(
    aggregate: type[Aggregate],
) -> None:
    stream_id = uuid4()

    before = aggregate.before_events(stream_id)

    if any(issubclass(event_type, AggregateCreated) for event_type in event_types(aggregate)):
        assert before is None
        assert issubclass(aggregate.NOT_FOUND, NotFound)
    else:
        assert before is not None
        assert (type(before), before.id, before.version, before.collect_events()) == (aggregate, stream_id, 0, [])


def test_what_is_repeated_about_another_aggregate_is_the_same_but_for_its_place() -> None:
    one, other = EmailClaim.blank(uuid4()), EmailClaim.blank(uuid4())
    holder = uuid4()
    other.claim(uuid4(), NOW)
    one.claim(holder, NOW)
    one.release(holder)

    other.repeat(one.pending_events)

    *_, claimed, released = other.collect_events()
    assert (claimed, released) == (
        EmailClaim.Claimed(originator_id=other.id, originator_version=2, timestamp=claimed.timestamp, user_id=holder),
        EmailClaim.Released(originator_id=other.id, originator_version=3, timestamp=released.timestamp, user_id=holder),
    )
    assert (other.version, other.holder) == (3, None)


WHOM = {
    EmailClaim: "user_id",
    DataExport: "user_id",
    User: None,
    AccessRecord: None,
}
"""By kind, the field that names the person its events are about; None where that is the stream, or nobody."""


@pytest.mark.parametrize(("aggregate", "event_type"), EVENTS)
def test_every_event_says_whom_it_is_about(aggregate: type[Aggregate], event_type: type[AggregateEvent]) -> None:
    assert subject_field(event_type) == WHOM[aggregate]
    # What is personal is sealed with the key of one person; in a person's own stream, with that person's.
    if personal_fields(event_type):
        assert (subject_field(event_type) is None) == aggregate.IS_PERSON


def subject_of(event: AggregateEvent) -> UUID | None:
    return subject_getter(type(event))(event)


def test_a_fact_is_about_whose_stream_it_is_in_or_whom_it_names() -> None:
    ada, bob, stream = uuid4(), uuid4(), uuid4()
    place: dict[str, Any] = {"originator_id": stream, "originator_version": 1, "timestamp": NOW}

    assert people_of(User.CountryChanged(**place, country=Country("SE"))) == (stream,)
    assert people_of(EmailClaim.Released(**place, user_id=ada)) == (ada,)
    read = AccessRecord.PeopleRead(**place, reading=Reading.PROFILE, first_at=NOW, user_ids=(ada, bob, ada))
    assert (subject_of(read), people_of(read)) == (None, (ada, bob))
    assert people_of(AccessRecord.ReadingsLost(**place, count=1, first_at=NOW)) == ()
    assert people_of(UnreadableEvent(**place)) == (stream,)


def test_a_fact_may_name_further_people_one_or_none_or_several() -> None:
    ada, bob, eve, stream = uuid4(), uuid4(), uuid4(), uuid4()

    class Team(Aggregate):
        TOPIC = "team"

        class Event(Aggregate.Event, frozen=True):
            TOPIC = "team.event"

        class Named(AggregateEvent, frozen=True):
            TOPIC = "team.named"
            captain: Annotated[UUID, SUBJECT]
            coach: Annotated[UUID | None, ALSO_ABOUT] = None
            players: Annotated[tuple[UUID, ...], ALSO_ABOUT] = ()

        @records(Named)
        def _named(self, captain: UUID, coach: UUID | None = None, players: tuple[UUID, ...] = ()) -> None: ...

    place: dict[str, Any] = {"originator_id": stream, "originator_version": 1, "timestamp": NOW}
    assert people_of(Team.Named(**place, captain=ada)) == (ada,)
    assert people_of(Team.Named(**place, captain=ada, coach=bob, players=(eve, ada, bob))) == (ada, bob, eve)
    assert subject_of(Team.Named(**place, captain=ada, coach=bob)) == ada


def test_only_a_registration_is_the_first_fact_about_a_person_and_only_an_erasure_the_last() -> None:
    assert [event_type for _, event_type in EVENTS if begins_person(event_type)] == [User.Registered]
    assert [event_type for _, event_type in EVENTS if event_type.FORGETS_SUBJECT] == [User.Erased]


def test_nothing_of_others_is_kept_in_memory() -> None:
    kept = [aggregate for aggregate in AGGREGATES if aggregate.REMEMBERED]

    assert kept == [User]
    assert all(aggregate.IS_PERSON for aggregate in kept)


def test_an_event_cannot_be_changed() -> None:
    (registered, *_) = an_active_user().collect_events()

    with pytest.raises(AttributeError, match="immutable"):
        registered.email = "somebody@example.org"  # type: ignore[attr-defined]


def test_the_first_fact_of_a_user_makes_one_and_no_other_does() -> None:
    makers = [event_type for event_type in event_types(User) if issubclass(event_type, AggregateCreated)]

    assert makers == [User.Registered]


def test_an_event_belongs_to_the_next_version_of_its_own_stream() -> None:
    user = an_active_user()

    with pytest.raises(OriginatorVersionError):
        event_of(User.Deactivated, stream_id=user.id, version=user.version).mutate(user)
    with pytest.raises(OriginatorVersionError):
        event_of(User.Deactivated, stream_id=user.id, version=user.version + 2).mutate(user)
    with pytest.raises(OriginatorIDError):
        event_of(User.Deactivated, stream_id=uuid4(), version=user.version + 1).mutate(user)
    assert not user.deactivated


def test_the_roots_of_events_are_not_events() -> None:
    assert User.Event not in event_types(User)
    assert EmailClaim.Event not in event_types(EmailClaim)


def test_events_come_in_the_order_of_their_definition() -> None:
    assert event_types(EmailClaim) == (
        EmailClaim.Claimed,
        EmailClaim.AskedFor,
        EmailClaim.Contested,
        EmailClaim.Withdrawn,
        EmailClaim.Released,
    )
    assert event_types(User)[0] is User.Registered
    assert event_types(User)[-1] is User.Erased


def test_the_payload_is_what_the_kernel_does_not_bring() -> None:
    names = [field.name for field in payload_fields(User.EmailChangeRequested)]

    assert names == ["email", "confirm_by", "asked_at"]
    assert not KERNEL_FIELDS & set(names)


def test_an_event_s_instant_is_aware_of_its_time_zone() -> None:
    before = datetime.now(UTC)
    (registered, *_) = an_active_user().collect_events()

    assert isinstance(registered, AggregateEvent)
    assert before <= registered.timestamp <= datetime.now(UTC)
