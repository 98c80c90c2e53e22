"""The unit of work that the tests of the use cases run on keeps what its port promises."""

import asyncio
from uuid import uuid4

import pytest

from application.unit_of_work import UnitOfWork
from application.users.emails.address_claims import claim_of
from application.users.suspend_user import SuspendUser, suspend_user
from domain.errors import UserNotFound, VersionIsStale
from domain.users import User
from domain.values import EmailAddress
from tests.support.in_memory_log import InMemoryLog, OutdatedError
from tests.support.instants import NOW
from tests.support.scenarios import happened
from tests.support.users import EMAIL, OTHER_EMAIL, OTHER_NAME, an_active_user


def test_it_is_a_unit_of_work() -> None:
    work: UnitOfWork = InMemoryLog().work()

    assert work.now.tzinfo


def test_a_user_is_found_as_saved() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    found = asyncio.run(log.work().target(User, user.id))

    assert found == user
    assert found is not user


def test_an_unknown_user_is_not_found() -> None:
    with pytest.raises(UserNotFound):
        asyncio.run(InMemoryLog().work().target(User, uuid4()))


def test_another_version_than_the_command_named_is_stale() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    assert asyncio.run(log.work(expected_version=2).target(User, user.id)) == user
    with pytest.raises(VersionIsStale):
        asyncio.run(log.work(expected_version=1).target(User, user.id))


def test_each_spelling_of_an_address_is_the_same_claim_within_one_command() -> None:
    work = InMemoryLog().work()

    one, other = (
        asyncio.run(claim_of(EMAIL, work)),
        asyncio.run(claim_of(EmailAddress(EMAIL.upper()), work)),
    )

    assert one is other
    assert one is not asyncio.run(claim_of(OTHER_EMAIL, work))


def test_what_rests_on_an_older_version_is_not_saved() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)
    work = log.work()
    outdated = asyncio.run(work.target(User, user.id))
    log.run(suspend_user, SuspendUser(user_id=user.id, reason="Fraud"))

    outdated.change_display_name(OTHER_NAME)

    with pytest.raises(OutdatedError):
        asyncio.run(work.save(outdated))
    assert log.news() == [happened(User.Suspended, reason="Fraud")]


def test_all_is_saved_or_nothing() -> None:
    log = InMemoryLog()
    log.has(an_active_user())
    work, latecomer = log.work(), an_active_user()
    claim = asyncio.run(claim_of(OTHER_EMAIL, work))
    log.has(an_active_user(OTHER_EMAIL))
    claim.claim(latecomer.id, NOW)

    with pytest.raises(OutdatedError):
        asyncio.run(work.save(latecomer, claim))

    assert log.news() == []


def test_saving_tells_the_version_and_the_position_that_shows_it() -> None:
    log, user = InMemoryLog(), an_active_user()
    log.has(user)

    saved = log.run(suspend_user, SuspendUser(user_id=user.id, reason="Fraud"))

    assert (saved.aggregate_id, saved.version, saved.position, saved.recorded_at) == (user.id, 3, 4, log.now)
