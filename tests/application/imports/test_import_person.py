"""Taking people over from another system, with what they agreed to there."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from application.imports.import_person import GivenConsent, ImportedStatus, ImportPerson, import_person
from domain import errors
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.users.values import UserStatus, parse_purpose
from tests.support.in_memory_log import InMemoryLog
from tests.support.scenarios import happened
from tests.support.users import EMAIL, an_active_user

YES = GivenConsent(purpose="newsletter", document_version="1", granted=True)
NO = GivenConsent(purpose="personalised-ads", document_version="2", granted=False)
PERSON = ImportPerson(email=EMAIL, display_name="Ada", country="GB", external_id="crm-1", consents=(YES, NO))


def test_importing_records_the_person_their_answers_and_their_right_to_the_address() -> None:
    log = InMemoryLog()

    saved = log.run(import_person, PERSON)

    assert log.news() == [
        happened(User.Registered, email=EMAIL, display_name="Ada", country="GB", external_id="crm-1"),
        happened(User.ConsentGranted, purpose="newsletter", document_version="1"),
        happened(User.ConsentWithdrawn, purpose="personalised-ads", document_version="2"),
        happened(EmailClaim.Claimed, user_id=saved.aggregate_id),
    ]
    assert saved.version == 3


def test_an_imported_person_is_not_mailed() -> None:
    log = InMemoryLog()

    saved = log.run(import_person, PERSON)

    assert log.user(saved.aggregate_id).email_request is None
    assert not log.user(saved.aggregate_id).email_verified


def test_a_person_without_answers_is_imported_too() -> None:
    log = InMemoryLog()

    saved = log.run(import_person, ImportPerson(email=EMAIL, display_name="Ada", country="GB"))

    assert saved.version == 1


def test_an_answer_that_is_given_twice_is_recorded_once() -> None:
    log = InMemoryLog()

    saved = log.run(import_person, replace(PERSON, consents=(YES, YES)))

    assert saved.version == 2


def test_an_address_that_is_in_use_is_refused() -> None:
    log = InMemoryLog()
    log.has(an_active_user())

    with pytest.raises(errors.EmailTaken):
        log.run(import_person, PERSON)

    assert log.news() == []


@pytest.mark.parametrize(
    ("consent", "refusal"),
    [
        (GivenConsent(purpose="Ads!", document_version="1", granted=True), errors.ConsentPurposeInvalid),
        (GivenConsent(purpose="ads", document_version="", granted=True), errors.DocumentVersionInvalid),
    ],
)
def test_an_answer_that_breaks_a_rule_refuses_the_whole_person(
    consent: GivenConsent, refusal: type[errors.DomainError]
) -> None:
    log = InMemoryLog()

    with pytest.raises(refusal):
        log.run(import_person, replace(PERSON, consents=(YES, consent)))

    assert log.news() == []


def test_an_import_line_is_read_with_all_its_fields_and_no_others() -> None:
    line = b"""{"email": "ada@example.com", "displayName": "Ada", "country": "GB", "externalId": "crm-1", "consents": [
        {"purpose": "newsletter", "documentVersion": "1", "granted": true},
        {"purpose": "personalised-ads", "documentVersion": "2", "granted": false}]}"""

    assert msgspec.json.decode(line, type=ImportPerson) == PERSON
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(line.replace(b"externalId", b"version"), type=ImportPerson)


LONG_AGO = datetime(2014, 5, 17, 10, 30, tzinfo=timezone(timedelta(hours=2)))
LATER = datetime(2019, 1, 1, tzinfo=UTC)


def test_a_life_elsewhere_is_imported_as_facts_with_instants_of_their_own() -> None:
    log = InMemoryLog()
    agreed, refused = replace(YES, occurred_at=LONG_AGO), replace(NO, occurred_at=LATER)
    person = replace(
        PERSON,
        created_at=LONG_AGO,
        email_verified=True,
        status=ImportedStatus.SUSPENDED,
        status_reason="Chargeback",
        status_since=LATER,
        consents=(refused, agreed),
    )

    saved = log.run(import_person, person)

    assert log.news() == [
        happened(
            User.Registered, email=EMAIL, display_name="Ada", country="GB", external_id="crm-1", occurred_at=LONG_AGO
        ),
        happened(User.EmailVerified),
        happened(User.ConsentGranted, purpose="newsletter", document_version="1", occurred_at=LONG_AGO),
        happened(User.ConsentWithdrawn, purpose="personalised-ads", document_version="2", occurred_at=LATER),
        happened(User.Suspended, reason="Chargeback", occurred_at=LATER),
        happened(EmailClaim.Claimed, user_id=saved.aggregate_id),
    ]
    imported = log.user(saved.aggregate_id)
    assert imported.created_at == LONG_AGO
    assert (imported.email_verified, imported.status, imported.email_request) == (True, UserStatus.SUSPENDED, None)


def test_of_two_answers_about_one_purpose_the_later_one_counts_wherever_it_stands() -> None:
    log = InMemoryLog()
    late_no = replace(YES, granted=False, occurred_at=LATER)
    early_yes = replace(YES, occurred_at=LONG_AGO)

    saved = log.run(import_person, replace(PERSON, consents=(late_no, early_yes)))

    assert not log.user(saved.aggregate_id).consents[parse_purpose("newsletter")].granted


def test_a_deactivated_account_stays_deactivated() -> None:
    log = InMemoryLog()

    saved = log.run(import_person, replace(PERSON, status=ImportedStatus.DEACTIVATED, status_since=LATER))

    assert log.user(saved.aggregate_id).status is UserStatus.DEACTIVATED
    assert log.news()[-2] == happened(User.Deactivated, occurred_at=LATER)


def test_who_brings_no_date_along_is_as_old_as_the_account_here() -> None:
    log = InMemoryLog()

    user = log.user(log.run(import_person, PERSON).aggregate_id)

    assert user.created_at == user.created_on


@pytest.mark.parametrize(
    ("facts", "refusal", "field"),
    [
        ({"created_at": datetime(2990, 1, 1, tzinfo=UTC)}, errors.OccurredInFuture, "createdAt"),
        ({"created_at": datetime(1, 1, 1, tzinfo=UTC)}, errors.OccurredTooLongAgo, "createdAt"),
        ({"created_at": datetime(1989, 12, 31, 23, 59, tzinfo=UTC)}, errors.OccurredTooLongAgo, "createdAt"),
        (
            {"status": ImportedStatus.DEACTIVATED, "status_since": datetime(2990, 1, 1, tzinfo=UTC)},
            errors.OccurredInFuture,
            "statusSince",
        ),
        ({"status": ImportedStatus.SUSPENDED}, errors.ReasonInvalid, "statusReason"),
        ({"status": ImportedStatus.SUSPENDED, "status_reason": " "}, errors.ReasonInvalid, "statusReason"),
        (
            {"consents": (YES, replace(NO, occurred_at=datetime(2990, 1, 1, tzinfo=UTC)))},
            errors.OccurredInFuture,
            "consents[1].occurredAt",
        ),
        ({"consents": (YES, replace(NO, purpose="Ads!"))}, errors.ConsentPurposeInvalid, "consents[1].purpose"),
        (
            {"consents": (replace(NO, document_version=""),)},
            errors.DocumentVersionInvalid,
            "consents[0].documentVersion",
        ),
    ],
)
def test_a_refusal_names_the_field_of_the_line(
    facts: dict[str, Any], refusal: type[errors.DomainError], field: str
) -> None:
    log = InMemoryLog()

    with pytest.raises(refusal) as refused:
        log.run(import_person, replace(PERSON, **facts))

    assert refused.value.field == field
    assert log.news() == []


@pytest.mark.parametrize(
    "facts",
    [
        {"status_reason": "Chargeback"},
        {"status": "deactivated", "status_reason": "Chargeback"},
        {"status_since": LATER},
        {"status": "deactivated", "status_since": LONG_AGO, "created_at": LATER},
    ],
)
def test_a_line_that_contradicts_itself_is_refused(facts: dict[str, Any]) -> None:
    whole = {"email": EMAIL, "display_name": "Ada", "country": "GB", **facts}

    with pytest.raises(ValueError, match="status"):
        ImportPerson(**whole)
