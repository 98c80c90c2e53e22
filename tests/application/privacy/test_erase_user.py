"""Erasing a user frees their addresses; a due deletion erases only who is due."""

from datetime import timedelta

import pytest

from application.privacy.erase_user import EraseUser, erase_due_user, erase_user
from application.unreadable import HistoryUnreadableError
from domain.users import User
from domain.values import ERASED
from tests.support.in_memory_log import InMemoryLog
from tests.support.instants import NOW
from tests.support.users import (
    a_user_waiting_for_deletion,
    a_user_with_a_pending_email,
    an_active_user,
    an_erased_user,
)


def topics(log: InMemoryLog, since: int) -> list[str]:
    return [recorded.topic for recorded in log.recorded[since:]]


def test_erasing_records_the_fact_and_frees_the_address() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    before = log.head

    log.run(erase_user, EraseUser(user_id=user.id))

    assert topics(log, before) == ["user.erased", "email_claim.released"]


def test_both_addresses_become_free() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)
    before = log.head

    log.run(erase_user, EraseUser(user_id=user.id))

    assert topics(log, before) == ["user.erased", "email_claim.released", "email_claim.released"]


def test_erasing_an_erased_user_is_nothing_new() -> None:
    log, user = InMemoryLog(), an_erased_user()
    log.has(user)
    before = log.head

    log.run(erase_user, EraseUser(user_id=user.id))

    assert topics(log, before) == []


@pytest.mark.parametrize(("passed", "erased"), [(timedelta(days=-1), False), (timedelta(), True)])
def test_a_due_deletion_erases_when_the_grace_period_is_over_and_not_before(passed: timedelta, *, erased: bool) -> None:
    log, user = InMemoryLog(), a_user_waiting_for_deletion()
    assert user.erase_after is not None
    log.has(user)
    log.now = user.erase_after + passed
    before = log.head

    log.run(erase_due_user, EraseUser(user_id=user.id))

    assert ("user.erased" in topics(log, before)) is erased


def test_nobody_is_erased_who_thought_better_of_it() -> None:
    log, user = InMemoryLog(), a_user_waiting_for_deletion()
    user.withdraw_deletion(NOW)
    log.has(user)
    log.now = NOW + timedelta(days=365)
    before = log.head

    log.run(erase_due_user, EraseUser(user_id=user.id))

    assert topics(log, before) == []


def test_an_erased_user_shows_that_they_are() -> None:
    user: User = an_erased_user()

    shown: set[object] = {user.email, user.display_name, user.birth_date, user.external_id}

    assert shown == {ERASED}


def test_who_cannot_be_read_is_erased_all_the_same_and_their_addresses_become_free() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)
    log.unreadable.add(user.id)
    before = log.head

    log.run(erase_user, EraseUser(user_id=user.id))

    assert topics(log, before) == ["user.erased", "email_claim.released", "email_claim.released"]
    assert log.user(user.id).erased


def test_nobody_who_cannot_be_read_is_erased_because_it_was_due() -> None:
    log, user = InMemoryLog(), a_user_waiting_for_deletion()
    log.has(user)
    log.unreadable.add(user.id)
    before = log.head

    with pytest.raises(HistoryUnreadableError):
        log.run(erase_due_user, EraseUser(user_id=user.id))

    assert log.head == before
