"""Closing an account and opening it again: by staff, by its owner, and for good after a time."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from application.policy import Policy
from application.unit_of_work import Saved
from application.users.deactivate_user import DeactivateUser, deactivate_user
from application.users.reactivate_user import ReactivateUser, reactivate_user
from application.users.reinstate_user import ReinstateUser, reinstate_user
from application.users.request_deletion import RequestDeletion, request_deletion
from application.users.suspend_user import SuspendUser, suspend_user
from application.users.withdraw_deletion import WithdrawDeletion, withdraw_deletion
from domain import errors
from domain.users import User
from tests.support.in_memory_log import InMemoryLog
from tests.support.instants import ERASE_AFTER, NOW
from tests.support.scenarios import Fact, happened
from tests.support.users import (
    EMAIL,
    OTHER_EMAIL,
    a_deactivated_user,
    a_suspended_user,
    a_user_waiting_for_deletion,
    an_active_user,
    an_erased_user,
)

Ask = Callable[[InMemoryLog, UUID], Saved]


def suspend(log: InMemoryLog, user_id: UUID, reason: str = " Fraud ") -> Saved:
    return log.run(suspend_user, SuspendUser(user_id=user_id, reason=reason))


def reinstate(log: InMemoryLog, user_id: UUID, reason: str = " Appeal ") -> Saved:
    return log.run(reinstate_user, ReinstateUser(user_id=user_id, reason=reason))


def deactivate(log: InMemoryLog, user_id: UUID) -> Saved:
    return log.run(deactivate_user, DeactivateUser(user_id=user_id))


def reactivate(log: InMemoryLog, user_id: UUID) -> Saved:
    return log.run(reactivate_user, ReactivateUser(user_id=user_id))


def ask_for_deletion(log: InMemoryLog, user_id: UUID) -> Saved:
    return log.run(request_deletion, RequestDeletion(user_id=user_id))


def stay(log: InMemoryLog, user_id: UUID) -> Saved:
    return log.run(withdraw_deletion, WithdrawDeletion(user_id=user_id))


EVERYTHING: tuple[Ask, ...] = (suspend, reinstate, deactivate, reactivate, ask_for_deletion, stay)


@pytest.mark.parametrize(
    ("user", "ask", "fact"),
    [
        (an_active_user(), suspend, happened(User.Suspended, reason="Fraud")),
        (a_deactivated_user(), suspend, happened(User.Suspended, reason="Fraud")),
        (a_user_waiting_for_deletion(), suspend, happened(User.Suspended, reason="Fraud")),
        (a_suspended_user(), reinstate, happened(User.Reinstated, reason="Appeal")),
        (an_active_user(), deactivate, happened(User.Deactivated)),
        (a_deactivated_user(), reactivate, happened(User.Reactivated)),
        (an_active_user(), ask_for_deletion, happened(User.DeletionRequested, erase_after=ERASE_AFTER)),
        (a_suspended_user(), ask_for_deletion, happened(User.DeletionRequested, erase_after=ERASE_AFTER)),
        (a_deactivated_user(), ask_for_deletion, happened(User.DeletionRequested, erase_after=ERASE_AFTER)),
        (a_user_waiting_for_deletion(), stay, happened(User.DeletionWithdrawn)),
    ],
)
def test_what_is_new_is_recorded(user: User, ask: Ask, fact: Fact) -> None:
    log = InMemoryLog()
    log.has(user)

    saved = ask(log, user.id)

    assert log.news() == [fact]
    assert (saved.aggregate_id, saved.version, saved.position) == (user.id, user.version + 1, log.head)


@pytest.mark.parametrize(
    ("user", "ask"),
    [
        (a_suspended_user(), suspend),
        (an_active_user(), reinstate),
        (a_deactivated_user(), deactivate),
        (an_active_user(), reactivate),
        (a_user_waiting_for_deletion(), ask_for_deletion),
        (an_active_user(), stay),
    ],
)
def test_what_is_so_already_is_not_recorded_again(user: User, ask: Ask) -> None:
    log = InMemoryLog()
    log.has(user)

    saved = ask(log, user.id)

    assert log.news() == []
    assert (saved.version, saved.position) == (user.version, log.head)


@pytest.mark.parametrize(
    ("user", "ask", "refusal"),
    [
        (a_suspended_user(), deactivate, errors.UserIsSuspended),
        (a_suspended_user(), reactivate, errors.UserIsSuspended),
        (a_user_waiting_for_deletion(), deactivate, errors.DeletionIsPending),
        (a_user_waiting_for_deletion(), reactivate, errors.DeletionIsPending),
    ],
)
def test_the_owner_cannot_undo_what_weighs_more(user: User, ask: Ask, refusal: type[errors.DomainError]) -> None:
    log = InMemoryLog()
    log.has(user)

    with pytest.raises(refusal):
        ask(log, user.id)

    assert log.news() == []


@pytest.mark.parametrize("ask", EVERYTHING)
def test_an_erased_user_is_gone(ask: Ask) -> None:
    log, user = InMemoryLog(), an_erased_user()
    log.has(user)

    with pytest.raises(errors.UserIsErased):
        ask(log, user.id)

    assert log.news() == []


@pytest.mark.parametrize("ask", EVERYTHING)
def test_an_unknown_user_is_not_found(ask: Ask) -> None:
    log = InMemoryLog()

    with pytest.raises(errors.UserNotFound):
        ask(log, uuid4())

    assert log.news() == []


@pytest.mark.parametrize("ask", [suspend, reinstate])
@pytest.mark.parametrize("reason", ["", " ", "a" * 501, "Fraud\x00"])
def test_staff_must_give_a_reason(ask: Callable[[InMemoryLog, UUID, str], Saved], reason: str) -> None:
    log, active, suspended = InMemoryLog(), an_active_user(), a_suspended_user(OTHER_EMAIL)
    log.has(active, suspended)

    for user in (active, suspended):
        with pytest.raises(errors.ReasonInvalid):
            ask(log, user.id, reason)

    assert log.news() == []


@pytest.mark.parametrize("ask", EVERYTHING)
def test_the_right_to_the_address_stays_whatever_happens_to_the_account(ask: Ask) -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    ask(log, user.id)

    assert log.holder(EMAIL) == user.id


def test_the_grace_period_is_the_policy_s() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.policy = Policy(erase_after=timedelta(days=7))
    log.has(user)

    ask_for_deletion(log, user.id)

    assert log.news() == [happened(User.DeletionRequested, erase_after=NOW + timedelta(days=7))]


def test_asking_again_later_does_not_prolong_the_grace_period() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    ask_for_deletion(log, user.id)
    log.now = NOW + timedelta(days=10)

    ask_for_deletion(log, user.id)

    assert log.user(user.id).erase_after == ERASE_AFTER
