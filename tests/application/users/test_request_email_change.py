"""Asking for another address: it is reserved at once, and one's own only when confirmed."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from application.policy import DAY
from application.privacy.erase_user import EraseUser, erase_user
from application.unit_of_work import Saved
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.register_user import RegisterUser, register_user
from domain import errors
from domain.limits import Limit
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.values import EmailAddress
from tests.support.in_memory_log import InMemoryLog, OutdatedError
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


def ask_as_staff(log: InMemoryLog, user_id: UUID, email: str) -> Saved:
    command = RequestEmailChange(user_id=user_id, email=email, discloses_holder=True)
    return log.run(request_email_change, command)


def test_the_new_address_is_reserved_and_the_old_one_kept() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    saved = ask(log, user.id, OTHER_EMAIL)

    assert log.news() == [
        happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY, asked_at=NOW),
        happened(EmailClaim.Claimed, user_id=user.id, reserved_until=CONFIRM_BY, mailed_at=NOW),
    ]
    assert (log.holder(EMAIL), log.holder(OTHER_EMAIL)) == (user.id, user.id)
    assert (saved.aggregate_id, saved.version) == (user.id, 3)


def test_asking_for_a_third_address_frees_the_second() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, THIRD_EMAIL)

    assert log.news() == [
        happened(User.EmailChangeRequested, email=THIRD_EMAIL, confirm_by=CONFIRM_BY, asked_at=NOW),
        happened(EmailClaim.Released, user_id=user.id),
        happened(EmailClaim.Claimed, user_id=user.id, reserved_until=CONFIRM_BY, mailed_at=NOW),
    ]
    assert [log.holder(address) for address in (EMAIL, OTHER_EMAIL, THIRD_EMAIL)] == [user.id, None, user.id]


def test_asking_for_the_same_address_again_keeps_it_reserved() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, OTHER_EMAIL)

    assert log.news() == [
        happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY, asked_at=NOW),
        happened(EmailClaim.AskedFor, user_id=user.id, mailed_at=NOW),
    ]
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

    assert log.news() == [
        happened(User.EmailVerificationRequested, confirm_by=CONFIRM_BY, asked_at=NOW),
        happened(EmailClaim.AskedFor, user_id=user.id, mailed_at=NOW),
    ]


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

    assert log.news() == [
        happened(User.EmailChangeRequested, email="ADA@example.com", confirm_by=CONFIRM_BY, asked_at=NOW),
        happened(EmailClaim.AskedFor, user_id=user.id, mailed_at=NOW),
    ]
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
def test_staff_are_refused_an_address_that_somebody_uses(spelling: str) -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user, an_active_user(OTHER_EMAIL))

    with pytest.raises(errors.EmailTaken):
        ask_as_staff(log, user.id, spelling)

    assert log.news() == []


def test_staff_are_refused_an_address_that_somebody_has_merely_reserved() -> None:
    log, user = InMemoryLog(), an_active_user(THIRD_EMAIL)
    log.has(user, a_user_with_a_pending_email(EMAIL, pending=OTHER_EMAIL))

    with pytest.raises(errors.EmailTaken):
        ask_as_staff(log, user.id, OTHER_EMAIL)

    assert log.news() == []


def vacant(_: InMemoryLog) -> None:
    """Nobody ever had it."""


def held(log: InMemoryLog) -> None:
    log.has(an_active_user(OTHER_EMAIL))


def held_unverified(log: InMemoryLog) -> None:
    log.has(an_unverified_user(OTHER_EMAIL))


def reserved(log: InMemoryLog) -> None:
    log.has(a_user_with_a_pending_email(EMAIL, pending=OTHER_EMAIL))


def given_up(log: InMemoryLog) -> None:
    holder = an_active_user(OTHER_EMAIL)
    log.has(holder)
    log.run(erase_user, EraseUser(user_id=holder.id))


def mailed_often(log: InMemoryLog) -> None:
    for number in range(9):
        other = an_active_user(EmailAddress(f"other{number}@example.com"))
        log.has(other)
        ask(log, other.id, OTHER_EMAIL)


def held_and_mailed_often(log: InMemoryLog) -> None:
    held(log)
    mailed_often(log)


STATES = (vacant, held, held_unverified, reserved, given_up, mailed_often, held_and_mailed_often)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_people_are_answered_alike_whatever_has_become_of_an_address(state: Callable[[InMemoryLog], None]) -> None:
    def life_in(log: InMemoryLog) -> list[object]:
        """All that a person can see of asking for an address, twice, for another, and for none."""
        user, seen = an_active_user(THIRD_EMAIL), list[object]()
        log.has(user)
        for email in (OTHER_EMAIL, OTHER_EMAIL, "fourth@example.com", OTHER_EMAIL, THIRD_EMAIL):
            head = log.head
            saved = ask(log, user.id, email)
            seen += [saved.version, saved.position - head, log.user(user.id).email_request, log.user(user.id).status]
            log.now += timedelta(hours=1)
        return seen

    log = InMemoryLog()
    state(log)

    assert life_in(log) == life_in(InMemoryLog())


def test_nobody_guesses_what_has_become_of_an_address_so_that_asking_takes_as_long() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    ask(log, user.id, THIRD_EMAIL)

    assert log.guesses == 0


def test_people_who_ask_for_an_address_that_somebody_uses_leave_it_to_them() -> None:
    log, user, holder = InMemoryLog(), an_active_user(), an_active_user(OTHER_EMAIL)
    log.has(user, holder)

    ask(log, user.id, OTHER_EMAIL)

    assert log.news() == [
        happened(User.EmailChangeRequested, email=OTHER_EMAIL, confirm_by=CONFIRM_BY, asked_at=NOW),
        happened(EmailClaim.Contested, user_id=user.id, mailed_at=NOW),
    ]
    assert log.holder(OTHER_EMAIL) == holder.id


def test_even_a_token_would_not_confirm_an_address_that_somebody_uses() -> None:
    log, user, holder = InMemoryLog(), an_active_user(), an_active_user(OTHER_EMAIL)
    log.has(user, holder)
    ask(log, user.id, OTHER_EMAIL)

    with pytest.raises(errors.VerificationTokenInvalid):
        log.run(confirm_email, ConfirmEmail(token=log.mailed_token(user.id)))

    assert (log.user(user.id).email, log.holder(OTHER_EMAIL)) == (EMAIL, holder.id)


def test_of_people_who_wait_for_an_address_that_is_nobodys_the_first_to_confirm_gets_it() -> None:
    log, late, first, second = (
        InMemoryLog(),
        a_user_with_a_pending_email(),
        an_active_user(THIRD_EMAIL),
        an_active_user(EmailAddress("fourth@example.com")),
    )
    log.has(late, first, second)
    log.now = CONFIRM_BY
    for user in (first, second):
        ask(log, user.id, OTHER_EMAIL)

    tokens = [ConfirmEmail(token=log.mailed_token(user.id)) for user in (first, second)]
    outcomes = log.run_at_once(confirm_email, tokens)

    assert [type(outcome) for outcome in outcomes] == [Saved, OutdatedError]
    with pytest.raises(errors.VerificationTokenInvalid):
        log.run(confirm_email, tokens[1])
    assert (log.user(first.id).email, log.holder(OTHER_EMAIL)) == (OTHER_EMAIL, first.id)


def test_asking_again_and_again_does_not_keep_an_address_from_others() -> None:
    log, squatter = InMemoryLog(), an_active_user()
    log.has(squatter)

    for _ in range(24):
        ask(log, squatter.id, OTHER_EMAIL)
        log.now += timedelta(hours=7)
        ask(log, squatter.id, THIRD_EMAIL)
        log.now += timedelta(hours=7)
        if log.now >= CONFIRM_BY:
            break
    ask(log, squatter.id, OTHER_EMAIL)
    registered = log.run(register_user, RegisterUser(email=OTHER_EMAIL, display_name="Grace", country="GB"))

    assert log.holder(OTHER_EMAIL) == registered.aggregate_id


@pytest.mark.parametrize(("accounts", "mails"), [(1, 4), (40, 5)])
@pytest.mark.parametrize("state", [vacant, held], ids=["vacant", "held"])
def test_a_stranger_gets_so_many_mails_a_day_however_many_accounts_ask(
    state: Callable[[InMemoryLog], None], accounts: int, mails: int
) -> None:
    log = InMemoryLog()
    state(log)
    users = [an_active_user(EmailAddress(f"user{number}@example.com")) for number in range(accounts)]
    log.has(*users)

    for number in range(120):
        with contextlib.suppress(errors.TooManyEmailRequests):
            ask(log, users[number % accounts].id, OTHER_EMAIL)

    assert sum(bool(fact.payload.get("mailed_at")) for fact in log.news()) == mails


def test_an_account_that_asks_too_often_is_told_so_before_mails_are_withheld() -> None:
    log = InMemoryLog()
    registered = log.run(register_user, RegisterUser(email=EMAIL, display_name="Ada", country="GB"))

    refused = 0
    for _ in range(10):
        try:
            ask(log, registered.aggregate_id, EMAIL)
        except errors.TooManyEmailRequests:
            refused += 1

    news = log.news()
    asked = [fact for fact in news if fact.event in {"User.Registered", "User.EmailVerificationRequested"}]
    assert sum(bool(fact.payload.get("mailed_at")) for fact in news) == len(asked) == 5
    assert refused == 6


def test_staff_are_told_when_an_address_was_mailed_too_often() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.policy = msgspec.structs.replace(log.policy, mails_to_address=Limit(1, DAY))
    log.has(user)
    ask_as_staff(log, user.id, OTHER_EMAIL)
    log.news()

    with pytest.raises(errors.TooManyEmailRequests):
        ask_as_staff(log, user.id, OTHER_EMAIL)

    assert log.news() == []


def test_an_address_whose_reservation_ran_out_goes_to_whoever_confirms_it_first() -> None:
    log, late, user = InMemoryLog(), a_user_with_a_pending_email(), an_active_user(THIRD_EMAIL)
    log.has(late, user)
    token = log.mailed_token(late.id)
    log.now = CONFIRM_BY

    ask(log, user.id, OTHER_EMAIL)

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
    log.run(confirm_email, ConfirmEmail(token=log.mailed_token(user.id)))
    log.now = NOW

    with pytest.raises(errors.VerificationTokenInvalid):
        log.run(confirm_email, ConfirmEmail(token=log.mailed_token(late.id)))

    assert log.holder(OTHER_EMAIL) == user.id


def test_a_refused_wish_leaves_the_earlier_one_open() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user, an_active_user(THIRD_EMAIL))
    token = log.mailed_token(user.id)

    with pytest.raises(errors.EmailTaken):
        ask_as_staff(log, user.id, THIRD_EMAIL)

    assert log.holder(OTHER_EMAIL) == user.id
    assert log.run(confirm_email, ConfirmEmail(token=token)).aggregate_id == user.id


def test_an_address_that_was_given_up_can_be_asked_for_and_confirmed_by_another() -> None:
    log, user, other = InMemoryLog(), a_user_with_a_pending_email(), an_active_user(THIRD_EMAIL)
    log.has(user, other)
    ask(log, user.id, EMAIL)

    ask(log, other.id, OTHER_EMAIL)
    log.run(confirm_email, ConfirmEmail(token=log.mailed_token(other.id)))

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
