"""Confirming with a mailed token: for that user, that address and that question only, once, in time."""

import base64
from uuid import UUID, uuid4

import msgspec
import pytest

from application.unit_of_work import Saved
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from domain import errors
from domain.users import EmailRequest, User
from domain.users.email_claim import EmailClaim
from domain.values import EmailAddress
from infrastructure.users.email_tokens import MailedTokens
from tests.support.in_memory_log import InMemoryLog, OutdatedError
from tests.support.instants import CONFIRM_BY, MOMENT
from tests.support.scenarios import happened
from tests.support.users import (
    EMAIL,
    OTHER_EMAIL,
    REASON,
    THIRD_EMAIL,
    a_user_with_a_pending_email,
    an_active_user,
    an_erased_user,
    an_unverified_user,
)


def confirm(log: InMemoryLog, token: str) -> Saved:
    return log.run(confirm_email, ConfirmEmail(token=token))


def ask(log: InMemoryLog, user_id: UUID, email: str) -> str:
    """Ask for an address, and get a mail."""
    log.run(request_email_change, RequestEmailChange(user_id=user_id, email=email))
    return log.mailed_token(user_id)


def refuses(log: InMemoryLog, token: str) -> bool:
    """Whether a token is refused like any other that is not valid, and nothing is recorded."""
    log.news()
    with pytest.raises(errors.VerificationTokenInvalid) as refusal:
        confirm(log, token)
    return log.news() == [] and refusal.value.args == ()


def test_the_mailed_token_verifies_the_address() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)

    saved = confirm(log, log.mailed_token(user.id))

    assert log.news() == [happened(User.EmailVerified)]
    assert (saved.aggregate_id, saved.version) == (user.id, 2)
    assert log.holder(EMAIL) == user.id


def test_the_mailed_token_changes_the_address_and_frees_the_old_one() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    confirm(log, log.mailed_token(user.id))

    assert log.news() == [
        happened(User.EmailChanged, email=OTHER_EMAIL),
        happened(EmailClaim.Released, user_id=user.id),
        happened(EmailClaim.Claimed, user_id=user.id),
    ]
    assert (log.holder(EMAIL), log.holder(OTHER_EMAIL)) == (None, user.id)


def test_confirming_another_spelling_frees_nothing() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    token = ask(log, user.id, "ADA@example.com")
    log.news()

    confirm(log, token)

    assert log.news() == [happened(User.EmailChanged, email="ADA@example.com")]
    assert log.holder(EMAIL) == user.id


def test_a_token_is_good_up_to_the_last_moment() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)
    log.now = CONFIRM_BY - MOMENT

    confirm(log, log.mailed_token(user.id))

    assert log.news() == [happened(User.EmailVerified)]


def test_an_expired_token_is_refused() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)
    log.now = CONFIRM_BY

    assert refuses(log, log.mailed_token(user.id))


@pytest.mark.parametrize("user", [an_unverified_user(), a_user_with_a_pending_email()])
def test_a_token_is_good_once(user: User) -> None:
    log = InMemoryLog()
    log.has(user)
    token = log.mailed_token(user.id)
    confirm(log, token)

    assert refuses(log, token)


def test_of_many_who_use_a_token_at_once_one_succeeds() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)

    answers = log.run_at_once(confirm_email, [ConfirmEmail(token=log.mailed_token(user.id))] * 50)

    assert sum(isinstance(answer, Saved) for answer in answers) == 1
    assert sum(isinstance(answer, OutdatedError) for answer in answers) == 49
    assert log.news() == [
        happened(User.EmailChanged, email=OTHER_EMAIL),
        happened(EmailClaim.Released, user_id=user.id),
        happened(EmailClaim.Claimed, user_id=user.id),
    ]


def test_the_token_for_one_address_never_confirms_another() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    token_for_other = ask(log, user.id, OTHER_EMAIL)
    token_for_third = ask(log, user.id, THIRD_EMAIL)

    assert refuses(log, token_for_other)

    confirm(log, token_for_third)
    assert log.user(user.id).email == THIRD_EMAIL


def test_a_token_does_not_come_alive_again_when_its_address_is_asked_for_again() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    first = ask(log, user.id, OTHER_EMAIL)
    ask(log, user.id, THIRD_EMAIL)
    again = ask(log, user.id, OTHER_EMAIL)

    assert first != again
    assert refuses(log, first)
    confirm(log, again)


def test_the_token_of_the_registration_is_refused_after_a_wish_for_another_address() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)
    token_of_registration = log.mailed_token(user.id)
    ask(log, user.id, OTHER_EMAIL)

    assert refuses(log, token_of_registration)


def test_a_token_is_refused_after_the_wish_was_withdrawn() -> None:
    log, user = InMemoryLog(), a_user_with_a_pending_email()
    log.has(user)
    token = log.mailed_token(user.id)
    log.run(request_email_change, RequestEmailChange(user_id=user.id, email=EMAIL))

    assert refuses(log, token)


def test_a_token_for_one_user_confirms_nothing_for_another() -> None:
    log, ada, grace = InMemoryLog(), an_unverified_user(EMAIL), an_unverified_user(OTHER_EMAIL)
    log.has(ada, grace)
    of_ada, of_grace = (base64.urlsafe_b64decode(log.mailed_token(user.id) + "=") for user in (ada, grace))

    for forged in (of_ada[:16] + of_grace[16:], of_grace[:16] + of_ada[16:], of_ada[:20] + of_grace[20:]):
        assert refuses(log, base64.urlsafe_b64encode(forged).decode().rstrip("="))


def test_a_token_made_with_another_key_is_refused() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)
    request = user.email_request
    assert request

    assert refuses(log, MailedTokens(b"x" * 32).issue(user.id, request))


def test_a_token_says_nothing_true_if_any_part_of_the_question_differs() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)
    asked = log.user(user.id).email_request
    assert asked

    for other in (
        EmailRequest(OTHER_EMAIL, asked.confirm_by, asked.asked_at_version),
        EmailRequest(asked.email, asked.confirm_by.replace(year=2027), asked.asked_at_version),
        EmailRequest(asked.email, asked.confirm_by, asked.asked_at_version + 1),
    ):
        assert refuses(log, log.email_tokens.issue(user.id, other))


def test_no_part_of_a_token_can_be_left_out_or_altered() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    log.has(user)
    token = log.mailed_token(user.id)

    truncated = [token[:length] for length in range(len(token))]
    altered = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    extended = [token + "=", token + "A", token + "\n", " " + token, token + "!", token[:9] + "\n" + token[9:]]
    others = ["", "=", "é", "\ud800", "a" * 100_000, token.swapcase(), "\x00" * 59]

    assert all(refuses(log, wrong) for wrong in (*truncated, *altered, *extended, *others))


def test_an_unknown_user_gets_the_same_answer_as_a_known_one() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    request = EmailRequest(EmailAddress(EMAIL), CONFIRM_BY, 1)

    for_nobody = log.email_tokens.issue(uuid4(), request)
    for_somebody = log.email_tokens.issue(user.id, request)

    answers = [_answer(log, token) for token in (for_nobody, for_somebody, "nonsense")]
    assert answers == [answers[0]] * 3


def test_the_token_of_an_erased_user_is_refused_like_any_other() -> None:
    log, user = InMemoryLog(), an_erased_user()
    log.has(user)

    assert refuses(log, log.email_tokens.issue(user.id, EmailRequest(EMAIL, CONFIRM_BY, 1)))


def test_the_token_of_a_suspended_user_waits_until_they_are_reinstated() -> None:
    log, user = InMemoryLog(), an_unverified_user()
    user.suspend(REASON)
    log.has(user)
    token = log.mailed_token(user.id)

    with pytest.raises(errors.UserIsSuspended):
        confirm(log, token)

    assert log.news() == []


def test_only_the_token_can_be_sent() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"token": "x", "email": EMAIL}, ConfirmEmail)


def _answer(log: InMemoryLog, token: str) -> tuple[type[errors.DomainError], tuple[object, ...], str]:
    with pytest.raises(errors.DomainError) as refusal:
        confirm(log, token)
    return type(refusal.value), refusal.value.args, str(refusal.value)
