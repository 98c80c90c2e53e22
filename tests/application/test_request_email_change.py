"""Asking for another address: it is reserved at once, and one's own only when confirmed."""

from uuid import UUID, uuid4

import pytest

from application.confirm_email import ConfirmEmail, confirm_email
from application.platform import Saved
from application.register_user import RegisterUser, register_user
from application.request_email_change import RequestEmailChange, request_email_change
from domain import errors
from domain.email_claims import EmailClaim
from domain.users import User
from domain.values import EmailAddress
from tests.support.in_memory_platform import InMemoryLog, OutdatedError
from tests.support.instants import CONFIRM_BY, NOW
from tests.support.scenarios import happened
from tests.support.users import (
    EMAIL,
    OTHER_EMAIL,
    THIRD_EMAIL,
    a_deactivated_user,
    a_suspended_user,
    a_user_waiting_for_deletion,
    a_user_with_a_pending_email,
    an_active_user,
    an_erased_user,
    an_unverified_user,
)


def ask(log: InMemoryLog, user_id: UUID, email: str) -> Saved:
    return log.run(request_email_change, RequestEmailChange(user_id=user_id, email=email))


def test_the_new_address_is_reserved_and_the_old_one_kept() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    saved = ask(log, user.id, OTHER_EMAIL)

    assert log.news() == [
        happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY),
        happened(EmailClaim.Claimed, user_id=user.id, reserved_until=CONFIRM_BY),
    ]
    assert (log.holder(EMAIL), log.holder(OTHER_EMAIL)) == (user.id, user.id)
    assert (saved.aggregate_id, saved.version) == (user.id, 3)


def test_asking_for_a_third_address_frees_the_second() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, THIRD_EMAIL)

    assert log.news() == [
        happened(User.EmailChangeRequested, email=THIRD_EMAIL, confirm_by=CONFIRM_BY),
        happened(EmailClaim.Released, user_id=user.id),
        happened(EmailClaim.Claimed, user_id=user.id, reserved_until=CONFIRM_BY),
    ]
    assert [log.holder(address) for address in (EMAIL, OTHER_EMAIL, THIRD_EMAIL)] == [user.id, None, user.id]


def test_asking_for_the_same_address_again_keeps_it_reserved() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, OTHER_EMAIL)

    assert log.news() == [happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY)]
    assert log.holder(OTHER_EMAIL) == user.id


def test_going_back_to_the_present_address_frees_the_other() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, EMAIL)

    assert log.news() == [happened(User.EmailChangeWithdrawn), happened(EmailClaim.Released, user_id=user.id)]
    assert (log.holder(EMAIL), log.holder(OTHER_EMAIL)) == (user.id, None)


def test_asking_for_the_present_address_again_mails_a_new_token_while_it_is_not_verified() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)

    ask(log, user.id, EMAIL)

    assert log.news() == [happened(User.EmailVerificationRequested, confirm_by=CONFIRM_BY)]


def test_asking_for_the_present_address_records_nothing_once_it_is_verified() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    saved = ask(log, user.id, "ada@EXAMPLE.com")

    assert log.news() == []
    assert (saved.version, saved.position) == (2, log.head)


def test_another_spelling_of_the_present_address_needs_no_second_right() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    ask(log, user.id, "ADA@example.com")

    assert log.news() == [happened(User.EmailChangeRequested, email="ADA@example.com", confirm_by=CONFIRM_BY)]
    assert log.holder(EMAIL) == user.id


def test_leaving_another_spelling_for_another_address_keeps_the_right_to_the_present_one() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    ask(log, user.id, "ADA@example.com")

    ask(log, user.id, OTHER_EMAIL)

    assert (log.holder(EMAIL), log.holder(OTHER_EMAIL)) == (user.id, user.id)


def test_leaving_another_address_for_another_spelling_frees_that_address() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, "ADA@example.com")

    assert (log.holder(EMAIL), log.holder(OTHER_EMAIL)) == (user.id, None)


def test_of_two_wishes_at_once_one_counts_and_only_its_address_is_reserved() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    commands = [RequestEmailChange(user_id=user.id, email=email) for email in (OTHER_EMAIL, THIRD_EMAIL)]
    first, second = log.run_at_once(request_email_change, commands)

    assert isinstance(first, Saved)
    assert isinstance(second, OutdatedError)
    assert (log.user(user.id).pending_email, log.holder(OTHER_EMAIL)) == (OTHER_EMAIL, user.id)
    assert log.holder(THIRD_EMAIL) is None


def test_of_many_who_want_an_address_at_once_one_gets_it() -> None:
    log, users = InMemoryLog(), [an_active_user(EmailAddress(f"user{n}@example.com")) for n in range(10)]
    log.has(*users)

    commands = [RequestEmailChange(user_id=user.id, email=OTHER_EMAIL) for user in users]
    answers = log.run_at_once(request_email_change, commands)

    assert [type(answer) for answer in answers] == [Saved] + [OutdatedError] * 9
    assert log.holder(OTHER_EMAIL) == users[0].id
    assert [user.id for user in users if log.user(user.id).pending_email] == [users[0].id]


@pytest.mark.parametrize("spelling", [OTHER_EMAIL, "LOVELACE@EXAMPLE.org"])
def test_an_address_that_somebody_uses_is_refused(spelling: str) -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user, an_active_user(OTHER_EMAIL))

    with pytest.raises(errors.EmailTaken):
        ask(log, user.id, spelling)

    assert log.news() == []


def test_an_address_that_somebody_has_merely_reserved_is_refused() -> None:
    log, user = InMemoryLog(), an_active_user(THIRD_EMAIL)
    log.has(user, a_user_with_a_pending_email(EMAIL, pending=OTHER_EMAIL))

    with pytest.raises(errors.EmailTaken):
        ask(log, user.id, OTHER_EMAIL)

    assert log.news() == []


def test_an_address_whose_reservation_ran_out_goes_to_whoever_asks_next() -> None:
    log, late, user = InMemoryLog(), a_user_with_a_pending_email(), an_active_user(THIRD_EMAIL)
    log.has(late, user)
    token = log.mailed_token(late.id)
    log.now = CONFIRM_BY

    ask(log, user.id, OTHER_EMAIL)

    assert log.holder(OTHER_EMAIL) == user.id
    with pytest.raises(errors.VerificationTokenInvalid):
        log.run(confirm_email, ConfirmEmail(token=token))
    confirmed = log.run(confirm_email, ConfirmEmail(token=log.mailed_token(user.id)))
    assert (confirmed.aggregate_id, log.user(user.id).email) == (user.id, OTHER_EMAIL)


def test_somebody_can_register_with_an_address_whose_reservation_ran_out() -> None:
    log, late = InMemoryLog(), a_user_with_a_pending_email()
    log.has(late)
    log.now = CONFIRM_BY

    person = RegisterUser(email=OTHER_EMAIL, display_name="Grace", country="GB")
    registered = log.run(register_user, person)
    ask(log, late.id, THIRD_EMAIL)

    assert log.holder(OTHER_EMAIL) == registered.aggregate_id
    assert log.holder(THIRD_EMAIL) == late.id


def test_who_is_late_cannot_confirm_even_by_a_clock_that_is_slow() -> None:
    log, late, user = InMemoryLog(), a_user_with_a_pending_email(), an_active_user(THIRD_EMAIL)
    log.has(late, user)
    log.now = CONFIRM_BY
    ask(log, user.id, OTHER_EMAIL)
    log.now = NOW

    with pytest.raises(errors.VerificationTokenInvalid):
        log.run(confirm_email, ConfirmEmail(token=log.mailed_token(late.id)))

    assert log.holder(OTHER_EMAIL) == user.id


def test_a_refused_wish_leaves_the_earlier_one_open() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user, an_active_user(THIRD_EMAIL))
    token = log.mailed_token(user.id)

    with pytest.raises(errors.EmailTaken):
        ask(log, user.id, THIRD_EMAIL)

    assert log.holder(OTHER_EMAIL) == user.id
    assert log.run(confirm_email, ConfirmEmail(token=token)).aggregate_id == user.id


def test_an_address_that_was_given_up_can_be_asked_for_by_another() -> None:
    log, user, other = InMemoryLog(), a_user_with_a_pending_email(), an_active_user(THIRD_EMAIL)
    log.has(user, other)
    ask(log, user.id, EMAIL)

    ask(log, other.id, OTHER_EMAIL)

    assert log.holder(OTHER_EMAIL) == other.id


@pytest.mark.parametrize(
    ("user", "refusal"),
    [
        (a_suspended_user(), errors.UserIsSuspended),
        (a_deactivated_user(), errors.UserIsDeactivated),
        (a_user_waiting_for_deletion(), errors.DeletionIsPending),
        (an_erased_user(), errors.UserIsErased),
    ],
)
def test_only_an_open_account_can_ask_for_another_address(user: User, refusal: type[errors.DomainError]) -> None:
    log = InMemoryLog()
    log.has(user)

    with pytest.raises(refusal):
        ask(log, user.id, OTHER_EMAIL)

    assert log.news() == []
    assert log.holder(OTHER_EMAIL) is None


def test_a_closed_account_does_not_learn_whether_an_address_is_in_use() -> None:
    log, user = InMemoryLog(), a_suspended_user()
    log.has(user, an_active_user(OTHER_EMAIL))

    with pytest.raises(errors.UserIsSuspended):
        ask(log, user.id, OTHER_EMAIL)


def test_what_is_no_address_is_refused() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    with pytest.raises(errors.EmailInvalid):
        ask(log, user.id, "lovelace")

    assert log.news() == []


def test_an_unknown_user_cannot_ask() -> None:
    log = InMemoryLog()

    with pytest.raises(errors.UserNotFound):
        ask(log, uuid4(), OTHER_EMAIL)

    assert log.news() == []
