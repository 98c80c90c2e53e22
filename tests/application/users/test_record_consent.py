"""Answers to the question whether something may be done with one's data."""

from collections.abc import Callable
from uuid import uuid4

import msgspec
import pytest

from application.unit_of_work import Saved
from application.users.record_consent import ConsentChoice, RecordConsent, record_consent
from domain import errors
from domain.users import User
from tests.support.in_memory_log import InMemoryLog
from tests.support.scenarios import happened
from tests.support.users import (
    a_deactivated_user,
    a_suspended_user,
    a_user_waiting_for_deletion,
    an_active_user,
    an_erased_user,
)


def answer(log: InMemoryLog, user: User, *, granted: bool, purpose: str = "ads", document: str = "1") -> Saved:
    choice = ConsentChoice(granted=granted, document_version=document)
    return log.run(record_consent, RecordConsent(user_id=user.id, purpose=purpose, choice=choice))


def test_yes_is_a_fact() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    answer(log, user, granted=True)

    assert log.news() == [happened(User.ConsentGranted, purpose="ads", document_version="1")]


def test_no_is_a_fact_too_even_if_nothing_was_granted_before() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    answer(log, user, granted=False)

    assert log.news() == [happened(User.ConsentWithdrawn, purpose="ads", document_version="1")]


def test_the_same_answer_again_records_nothing() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    first = answer(log, user, granted=True)
    log.news()

    second = answer(log, user, granted=True)

    assert log.news() == []
    assert second.version == first.version


def test_the_same_answer_to_another_document_is_a_new_fact() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    answer(log, user, granted=True)
    log.news()

    answer(log, user, granted=True, document="2")

    assert log.news() == [happened(User.ConsentGranted, purpose="ads", document_version="2")]


@pytest.mark.parametrize("a_user", [a_suspended_user, a_deactivated_user, a_user_waiting_for_deletion])
def test_a_closed_account_can_still_answer(a_user: Callable[[], User]) -> None:
    log, user = InMemoryLog(), a_user()
    log.has(user)

    answer(log, user, granted=False)

    assert log.news() == [happened(User.ConsentWithdrawn, purpose="ads", document_version="1")]


def test_an_erased_user_cannot_answer() -> None:
    log, user = InMemoryLog(), an_erased_user()
    log.has(user)

    with pytest.raises(errors.UserIsErased):
        answer(log, user, granted=True)

    assert log.news() == []


def test_what_is_no_purpose_is_refused() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    with pytest.raises(errors.ConsentPurposeInvalid):
        answer(log, user, granted=True, purpose="Ads!")

    assert log.news() == []


def test_what_is_no_document_version_is_refused() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    with pytest.raises(errors.DocumentVersionInvalid):
        answer(log, user, granted=True, document="v 1")

    assert log.news() == []


def test_an_unknown_user_cannot_answer() -> None:
    choice = ConsentChoice(granted=True, document_version="1")

    with pytest.raises(errors.UserNotFound):
        InMemoryLog().run(record_consent, RecordConsent(user_id=uuid4(), purpose="ads", choice=choice))


def test_an_answer_is_read_with_both_its_fields_and_no_others() -> None:
    choice = msgspec.convert({"granted": False, "documentVersion": "1"}, ConsentChoice)

    assert choice == ConsentChoice(granted=False, document_version="1")
    for incomplete in ({"granted": True}, {"documentVersion": "1"}, {"granted": 1, "documentVersion": "1"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(incomplete, ConsentChoice)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"granted": False, "documentVersion": "1", "purpose": "x"}, ConsentChoice)
