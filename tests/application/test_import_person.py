"""Taking people over from another system, with what they agreed to there."""

import msgspec
import pytest

from application.import_person import GivenConsent, ImportPerson, import_person
from domain import errors
from domain.email_claims import EmailClaim
from domain.users import User
from tests.support.in_memory_platform import InMemoryLog
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

    saved = log.run(import_person, msgspec.structs.replace(PERSON, consents=(YES, YES)))

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
        log.run(import_person, msgspec.structs.replace(PERSON, consents=(YES, consent)))

    assert log.news() == []


def test_an_import_line_is_read_with_all_its_fields_and_no_others() -> None:
    line = b"""{"email": "ada@example.com", "displayName": "Ada", "country": "GB", "externalId": "crm-1", "consents": [
        {"purpose": "newsletter", "documentVersion": "1", "granted": true},
        {"purpose": "personalised-ads", "documentVersion": "2", "granted": false}]}"""

    assert msgspec.json.decode(line, type=ImportPerson) == PERSON
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(line.replace(b"externalId", b"status"), type=ImportPerson)
