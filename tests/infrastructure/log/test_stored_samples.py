"""Events as they were stored once, in `tests/samples/events.jsonl`: each must be readable for ever.

A line has a topic, the version of its stored form, a name, and the bytes as they stood in the log. Add lines when a
form grows; never change or remove one.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from domain.access_records.access_record import AccessRecord, Reading
from domain.kernel import payload_fields
from domain.privacy.data_export import DataExport
from domain.users import User
from domain.users.email_claim import EmailClaim
from infrastructure.log.event_codec import FORMS, decode, encode
from tests.support.instants import NOW
from tests.support.scenarios import Fact, event_of, fact_of, happened

FILE = Path(__file__).parents[2] / "samples" / "events.jsonl"
STREAM = UUID("01960000-0000-7000-8000-00000000000a")
HOLDER = UUID("01960000-0000-7000-8000-00000000000b")
ELSEWHERE = datetime(2019, 5, 17, 8, 30, tzinfo=UTC)
DEADLINE = datetime(2026, 3, 17, 15, 9, 26, 535897, tzinfo=UTC)


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    version: int
    name: str
    sample: str


SAMPLES = [msgspec.json.decode(line, type=Sample) for line in FILE.read_bytes().splitlines()]
NEWEST = {
    topic: max(sample.version for sample in SAMPLES if sample.topic == topic) for topic in {s.topic for s in SAMPLES}
}

MEANING: dict[str, Fact] = {
    "registered, all told": happened(
        User.Registered,
        email="zoë@bücher.example",
        display_name='Zoë "李" O\'Neil',
        country="GB",
        locale="zh-Hant-TW",
        birth_date=date(1990, 12, 10),
        explicit_content_filter=True,
        external_id="crm:42/\\~",
        confirm_by=DEADLINE,
    ),
    "registered, the least": happened(User.Registered, email="ada@example.com", display_name="Ada", country="SE"),
    "registered elsewhere": happened(
        User.Registered,
        email="zoë@bücher.example",
        display_name="Zoë",
        country="GB",
        locale="en-GB",
        birth_date=date(1990, 12, 10),
        explicit_content_filter=True,
        external_id="crm:42",
        confirm_by=DEADLINE,
        occurred_at=ELSEWHERE,
    ),
    "granted elsewhere": happened(
        User.ConsentGranted, purpose="personalised-ads", document_version="2019-01", occurred_at=ELSEWHERE
    ),
    "withdrawn elsewhere": happened(
        User.ConsentWithdrawn, purpose="personalised-ads", document_version="2019-01", occurred_at=ELSEWHERE
    ),
    "suspended elsewhere": happened(User.Suspended, reason="Chargeback, see ticket 7", occurred_at=ELSEWHERE),
    "deactivated elsewhere": happened(User.Deactivated, occurred_at=ELSEWHERE),
    "verification requested": happened(User.EmailVerificationRequested, confirm_by=DEADLINE),
    "verified": happened(User.EmailVerified),
    "change requested": happened(User.EmailChangeRequested, email="ada@example.org", confirm_by=DEADLINE),
    "change withdrawn": happened(User.EmailChangeWithdrawn),
    "changed": happened(User.EmailChanged, email="ada@example.org"),
    "renamed": happened(User.DisplayNameChanged, display_name="Countess of Lovelace"),
    "moved": happened(User.CountryChanged, country="SE"),
    "locale set": happened(User.LocaleChanged, locale="sv-SE"),
    "locale taken away": happened(User.LocaleChanged, locale=None),
    "birth date set": happened(User.BirthDateChanged, birth_date=date(2012, 2, 29)),
    "birth date taken away": happened(User.BirthDateChanged, birth_date=None),
    "filter on": happened(User.ExplicitContentFilterChanged, explicit_content_filter=True),
    "filter off": happened(User.ExplicitContentFilterChanged, explicit_content_filter=False),
    "granted": happened(User.ConsentGranted, purpose="personalised-ads", document_version="2026-01"),
    "withdrawn": happened(User.ConsentWithdrawn, purpose="personalised-ads", document_version="2026-01"),
    "suspended": happened(User.Suspended, reason="Chargeback, see ticket 7"),
    "reinstated": happened(User.Reinstated, reason="Appeal"),
    "deactivated": happened(User.Deactivated),
    "reactivated": happened(User.Reactivated),
    "deletion requested": happened(User.DeletionRequested, erase_after=DEADLINE),
    "deletion withdrawn": happened(User.DeletionWithdrawn),
    "erased": happened(User.Erased),
    "claimed": happened(EmailClaim.Claimed, user_id=HOLDER),
    "reserved": happened(EmailClaim.Claimed, user_id=HOLDER, reserved_until=DEADLINE),
    "export requested": happened(DataExport.Requested, user_id=HOLDER, good_until=DEADLINE),
    "verification requested, when": happened(User.EmailVerificationRequested, confirm_by=DEADLINE, asked_at=NOW),
    "change requested, when": happened(
        User.EmailChangeRequested, email="ada@example.org", confirm_by=DEADLINE, asked_at=NOW
    ),
    "reserved and mailed": happened(EmailClaim.Claimed, user_id=HOLDER, reserved_until=DEADLINE, mailed_at=NOW),
    "asked for and mailed": happened(EmailClaim.AskedFor, user_id=HOLDER, mailed_at=NOW),
    "asked for": happened(EmailClaim.AskedFor, user_id=HOLDER),
    "contested and mailed": happened(EmailClaim.Contested, user_id=HOLDER, mailed_at=NOW),
    "contested": happened(EmailClaim.Contested, user_id=HOLDER),
    "wish withdrawn": happened(EmailClaim.Withdrawn, user_id=HOLDER),
    "released": happened(EmailClaim.Released, user_id=HOLDER),
    "people read, all told": happened(
        AccessRecord.PeopleRead,
        reading=Reading.EXPORT,
        first_at=DEADLINE,
        user_ids=(HOLDER, STREAM),
        purpose="TICKET-4711",
        query='{"topic":"user.suspended"}',
    ),
    "people read, the least": happened(AccessRecord.PeopleRead, reading=Reading.PROFILE, first_at=DEADLINE),
    "readings lost": happened(AccessRecord.ReadingsLost, count=17, first_at=DEADLINE),
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_what_was_stored_once_is_still_understood(sample: Sample) -> None:
    event = decode(sample.topic, sample.sample.encode(), STREAM, 7, NOW)

    assert fact_of(event) == MEANING[sample.name]
    assert event == event_of(type(event), stream_id=STREAM, version=7, **fact_of(event).payload)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.version == NEWEST[s.topic]], ids=lambda sample: sample.name)
def test_the_newest_samples_are_what_is_stored_today(sample: Sample) -> None:
    event = decode(sample.topic, sample.sample.encode(), STREAM, 7, NOW)

    assert encode(event) == (sample.topic, sample.sample.encode())


@pytest.mark.parametrize("topic", FORMS)
def test_every_topic_has_samples_with_all_its_fields_and_with_only_those_it_needs(topic: str) -> None:
    fields = payload_fields(FORMS[topic].event_type)

    shown = [set(msgspec.json.decode(s.sample)) for s in SAMPLES if s.topic == topic and s.version == NEWEST[topic]]

    assert {field.name for field in fields} in shown
    assert {field.name for field in fields if field.required} in shown


@pytest.mark.parametrize("topic", FORMS)
def test_every_field_that_may_be_null_has_a_sample_where_it_is(topic: str) -> None:
    nullable = {f.name for f in payload_fields(FORMS[topic].event_type) if f.required and _may_be_null(f.type)}

    stored = [msgspec.json.decode(sample.sample) for sample in SAMPLES if sample.topic == topic]

    assert nullable == {name for name in nullable for state in stored if state.get(name, 0) is None}


def test_every_sample_has_a_name_of_its_own_and_a_topic_that_is_still_known() -> None:
    assert sorted(sample.name for sample in SAMPLES) == sorted(MEANING)
    assert {sample.topic for sample in SAMPLES} == set(FORMS)


def _may_be_null(annotation: object) -> bool:
    try:
        msgspec.convert(None, annotation)
    except msgspec.ValidationError:
        return False
    return True
