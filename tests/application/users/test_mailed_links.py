"""Why a mailed link is refused, told to whoever has one that was mailed, and to nobody else."""

import asyncio
import base64
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from application.users.diff import UserDiff
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.mailed_links import LinkFault, MailedLinks
from application.users.queries import Moment, UserAt
from domain import errors
from domain.users import EmailRequest, User
from domain.values import EmailAddress
from infrastructure.users.email_tokens import MailedTokens
from tests.support.in_memory_log import InMemoryLog
from tests.support.instants import CONFIRM_BY
from tests.support.scenarios import played
from tests.support.users import (
    EMAIL,
    OTHER_EMAIL,
    THIRD_EMAIL,
    a_user_with_a_pending_email,
    an_active_user,
    an_erased_user,
    an_unverified_user,
)


class UsersOf:
    """The port `Users` on top of a log in memory."""

    def __init__(self, log: InMemoryLog) -> None:
        self._log = log

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        return played(self._log.stream(user_id)), self._log.head

    async def user_at(self, user_id: UUID, moment: Moment) -> UserAt | None:
        assert moment.version is not None
        user = played(self._log.stream(user_id)[: moment.version])
        return UserAt(user=user, version=moment.version, position=1, recorded_at=self._log.now) if user else None

    async def diff(self, user_id: UUID, old: Moment, new: Moment) -> UserDiff | None:
        raise AssertionError


def fault(log: InMemoryLog, token: str, now: datetime | None = None) -> LinkFault:
    return asyncio.run(MailedLinks(UsersOf(log), log.email_tokens).fault(token, now or log.now))


def ask(log: InMemoryLog, user: User, email: str) -> str:
    log.run(request_email_change, RequestEmailChange(user_id=user.id, email=email))
    return log.mailed_token(user.id)


def confirm(log: InMemoryLog, token: str) -> None:
    log.run(confirm_email, ConfirmEmail(token=token))


def a_log_with(user: User) -> InMemoryLog:
    log = InMemoryLog()
    log.has(user)
    return log


@pytest.mark.parametrize("user", [an_unverified_user(), a_user_with_a_pending_email()])
def test_a_link_that_was_used_is_told_as_used(user: User) -> None:
    log = a_log_with(user)
    token = log.mailed_token(user.id)
    confirm(log, token)

    assert fault(log, token) is LinkFault.USED
    assert fault(log, token, CONFIRM_BY + timedelta(days=1)) is LinkFault.USED


def test_a_link_that_was_used_for_an_address_left_since_is_told_as_replaced() -> None:
    user = an_unverified_user()
    log = a_log_with(user)
    first = log.mailed_token(user.id)
    confirm(log, first)
    confirm(log, ask(log, user, OTHER_EMAIL))

    assert fault(log, first) is LinkFault.REPLACED


def test_a_link_that_ran_out_is_told_as_expired() -> None:
    user = an_unverified_user()
    log = a_log_with(user)

    assert fault(log, log.mailed_token(user.id), CONFIRM_BY) is LinkFault.EXPIRED


@pytest.mark.parametrize("then", [THIRD_EMAIL, EMAIL])
def test_a_link_for_a_wish_that_was_followed_by_another_or_withdrawn_is_told_as_replaced(then: str) -> None:
    user = an_active_user()
    log = a_log_with(user)
    token = ask(log, user, OTHER_EMAIL)
    log.run(request_email_change, RequestEmailChange(user_id=user.id, email=then))

    assert fault(log, token) is LinkFault.REPLACED


def test_a_link_for_an_address_that_another_account_has_by_now_is_told_so() -> None:
    user, other = an_active_user(), an_active_user(THIRD_EMAIL)
    log = a_log_with(user)
    log.has(other)
    token = ask(log, user, THIRD_EMAIL)
    with pytest.raises(errors.VerificationTokenInvalid):
        confirm(log, token)

    assert fault(log, token) is LinkFault.TAKEN


def test_nothing_is_told_of_somebody_who_was_erased() -> None:
    user = an_erased_user()
    log = a_log_with(user)
    request = EmailRequest(EMAIL, CONFIRM_BY, 1)

    assert fault(log, log.email_tokens.issue(user.id, request)) is LinkFault.UNKNOWN


def test_nothing_is_told_to_whoever_made_a_token_up() -> None:
    user = an_unverified_user()
    log = a_log_with(user)
    request = log.user(user.id).email_request
    assert request is not None
    forger = MailedTokens(b"x" * 32)
    made_up = [
        forger.issue(user.id, request),
        forger.issue(uuid4(), request),
        log.email_tokens.issue(user.id, EmailRequest(OTHER_EMAIL, request.confirm_by, request.asked_at_version)),
        log.email_tokens.issue(user.id, EmailRequest(EMAIL, request.confirm_by + timedelta(seconds=1), 1)),
        *(with_version(log.email_tokens.issue(user.id, request), version) for version in (0, 2, 2**31, 2**32 - 1)),
        "",
        "x",
        "ä" * 59,
    ]

    assert {fault(log, token) for token in made_up} == {LinkFault.UNKNOWN}


def with_version(token: str, version: int) -> str:
    octets = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return base64.urlsafe_b64encode(octets[:16] + version.to_bytes(4) + octets[20:]).decode().rstrip("=")


def test_a_link_to_another_spelling_of_a_confirmed_address_is_told_as_used() -> None:
    user = an_active_user()
    log = a_log_with(user)
    token = ask(log, user, EmailAddress("ADA@example.com"))
    confirm(log, token)

    assert fault(log, token) is LinkFault.USED
