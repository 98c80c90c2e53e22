"""The timeline: one entry for each fact about a person, without what the fact says about them."""

import copy
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from application.history.timeline import USER_TIMELINE, TimelineRow, timeline_row
from application.recorded import Recorded
from domain.kernel import AggregateEvent, event_types, personal_fields
from domain.privacy.data_export import DataExport
from domain.users import User
from domain.users.email_claim import EmailClaim
from tests.support.instants import NOW
from tests.support.scenarios import event_of
from tests.support.values import events

ADA = UUID("01960000-0000-7000-8000-00000000000a")
CLAIM = UUID("01960000-0000-8000-8000-00000000000c")
COMMAND, CORRELATION, CAUSATION = (UUID(int=number) for number in (1, 2, 3))
EVENT_TYPES = event_types(User) + event_types(EmailClaim) + event_types(DataExport)


def recorded(event: Any) -> Recorded[Any]:
    return Recorded(
        event=event,
        topic=event.TOPIC,
        position=42,
        recorded_at=NOW,
        actor="support:jane",
        on_behalf_of="user:ada",
        client="console",
        reason="Ticket 7",
        command_id=COMMAND,
        correlation_id=CORRELATION,
        causation_id=CAUSATION,
        trace_id=b"t" * 16,
    )


def test_a_fact_becomes_an_entry_that_says_what_when_who_and_why() -> None:
    suspended = recorded(event_of(User.Suspended, stream_id=ADA, version=3, reason="Fraud"))

    assert timeline_row(None, suspended) == TimelineRow(
        position=42,
        user_id=ADA,
        stream_id=ADA,
        version=3,
        topic="user.suspended",
        recorded_at=NOW,
        actor="support:jane",
        on_behalf_of="user:ada",
        client="console",
        command_id=COMMAND,
        correlation_id=CORRELATION,
    )


@pytest.mark.parametrize("event_type", event_types(EmailClaim))
def test_a_fact_about_an_address_belongs_to_its_holder_s_timeline(event_type: type[AggregateEvent]) -> None:
    entry = timeline_row(None, recorded(event_of(event_type, stream_id=CLAIM, user_id=ADA)))

    assert (entry.user_id, entry.stream_id) == (ADA, CLAIM)


@for_all(st.one_of([events(event_type) for event_type in event_types(User)]))
def test_a_fact_about_a_user_belongs_to_their_own_timeline(event: AggregateEvent) -> None:
    entry = timeline_row(None, recorded(event))

    assert entry.user_id == entry.stream_id == event.originator_id


@pytest.mark.parametrize("event_type", [event_type for event_type in EVENT_TYPES if personal_fields(event_type)])
def test_an_entry_holds_nothing_of_what_a_fact_says_about_the_person(event_type: type[AggregateEvent]) -> None:
    required = {"confirm_by": NOW, "country": "GB"}.items()
    payload: dict[str, Any] = {name: value for name, value in required if name in event_type.__struct_fields__}
    payload |= dict.fromkeys(personal_fields(event_type), "a secret")

    entry = timeline_row(None, recorded(event_of(event_type, **payload)))

    assert "secret" not in repr(entry)


def test_a_fold_changes_no_fact() -> None:
    fact = recorded(event_of(User.Suspended, stream_id=ADA, version=3, reason="Fraud"))
    before = copy.deepcopy(fact)

    timeline_row(None, fact)

    assert fact == before


def test_every_fact_has_an_entry_of_its_own() -> None:
    assert set(USER_TIMELINE.events) == set(EVENT_TYPES)
    assert (USER_TIMELINE.key_column, USER_TIMELINE.appends) == ("position", True)
    assert USER_TIMELINE.key(recorded(event_of(User.Erased, stream_id=ADA))) == 42


def test_the_indexes_are_over_columns_that_there_are() -> None:
    columns = {column for index in USER_TIMELINE.indexes for column in index.columns}

    assert columns <= set(TimelineRow.__struct_fields__)
