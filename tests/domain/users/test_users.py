"""What is true of every user, whatever happens to them."""

import inspect

import pytest
from hypothesis import given as for_all

from domain import errors
from domain.errors import DomainError
from domain.users import Consent, User
from domain.users.values import Purpose, UserStatus
from tests.support.histories import histories, lived
from tests.support.instants import NOW
from tests.support.scenarios import Ask, Fact, given, happened, played
from tests.support.users import (
    ADS,
    ASKS,
    DOCUMENT,
    OTHER_DOCUMENT,
    an_active_user,
    an_unverified_user,
)


def test_every_method_of_a_user_is_asked_in_every_state() -> None:
    methods = {name for name, _ in inspect.getmembers(User, inspect.isfunction) if name in vars(User)}

    public = {name for name in methods if not name.startswith("_")} - {"twin"}

    assert public == set(ASKS)


@for_all(histories())
def test_the_recorded_facts_played_again_give_the_same_user(asks: list[Ask[User]]) -> None:
    user = lived(an_unverified_user(), asks)

    events = user.collect_events()
    assert played(events) == user
    assert [event.originator_version for event in events] == list(range(1, user.version + 1))
    assert {event.originator_id for event in events} == {user.id}


@for_all(histories())
def test_a_refusal_records_nothing_and_changes_nothing(asks: list[Ask[User]]) -> None:
    user = an_unverified_user()

    for ask in asks:
        before, recorded = repr(user), len(user.pending_events)
        try:
            ask(user)
        except DomainError:
            assert (repr(user), len(user.pending_events)) == (before, recorded)


@for_all(histories())
def test_the_status_is_the_gravest_that_applies(asks: list[Ask[User]]) -> None:
    user = lived(an_unverified_user(), asks)

    applies = {
        UserStatus.ERASED: user.erased,
        UserStatus.DELETION_REQUESTED: user.erase_after is not None,
        UserStatus.SUSPENDED: user.suspended,
        UserStatus.DEACTIVATED: user.deactivated,
        UserStatus.ACTIVE: True,
    }
    assert user.status is next(status for status, it_does in applies.items() if it_does)


CONSENTS: dict[str, tuple[Ask[User], Fact]] = {
    "granted": (
        lambda user: user.record_consent(ADS, DOCUMENT, granted=True),
        happened(User.ConsentGranted, purpose=ADS, document_version=DOCUMENT),
    ),
    "refused": (
        lambda user: user.record_consent(ADS, DOCUMENT, granted=False),
        happened(User.ConsentWithdrawn, purpose=ADS, document_version=DOCUMENT),
    ),
    "granted for another document": (
        lambda user: user.record_consent(ADS, OTHER_DOCUMENT, granted=True),
        happened(User.ConsentGranted, purpose=ADS, document_version=OTHER_DOCUMENT),
    ),
    "refused for another document": (
        lambda user: user.record_consent(ADS, OTHER_DOCUMENT, granted=False),
        happened(User.ConsentWithdrawn, purpose=ADS, document_version=OTHER_DOCUMENT),
    ),
}


@pytest.mark.parametrize("first", CONSENTS)
@pytest.mark.parametrize("second", CONSENTS)
def test_an_answer_is_recorded_unless_it_is_the_one_that_was_last_given(first: str, second: str) -> None:
    user = an_active_user()
    CONSENTS[first][0](user)

    ask, fact = CONSENTS[second]

    given(user).when(ask).then(*([] if first == second else [fact]))


def test_each_purpose_has_an_answer_of_its_own() -> None:
    user = an_active_user()

    user.record_consent(ADS, DOCUMENT, granted=True)
    user.record_consent(Purpose("newsletter"), DOCUMENT, granted=False)

    assert user.consents == {
        "personalised-ads": Consent(granted=True, document_version=DOCUMENT),
        "newsletter": Consent(granted=False, document_version=DOCUMENT),
    }


def test_a_change_of_a_twin_leaves_the_other_as_it_was() -> None:
    user = an_unverified_user()
    request = user.email_request
    twin = user.twin()

    twin.record_consent(ADS, DOCUMENT, granted=True)
    twin.confirm_email(NOW)
    user.record_consent(Purpose("newsletter"), DOCUMENT, granted=True)

    assert (list(user.consents), list(twin.consents)) == (["newsletter"], [ADS])
    assert (user.email_request, twin.email_request) == (request, None)
    with pytest.raises(AttributeError, match="immutable"):
        twin.consents[ADS].granted = False  # type: ignore[misc] # that is what must fail
    with pytest.raises(AttributeError, match="immutable"):
        request.confirm_by = NOW  # type: ignore[misc, union-attr] # that is what must fail


def test_a_person_answers_about_fifty_purposes_and_can_change_each_answer() -> None:
    user = an_active_user()
    for number in range(50):
        user.record_consent(Purpose(f"purpose-{number}"), DOCUMENT, granted=True)

    with pytest.raises(errors.TooManyConsentPurposes):
        user.record_consent(ADS, DOCUMENT, granted=True)
    user.record_consent(Purpose("purpose-7"), DOCUMENT, granted=False)

    assert len(user.consents) == 50
    assert not user.consents[Purpose("purpose-7")].granted


def test_who_had_more_purposes_before_keeps_them_and_can_change_them() -> None:
    user = an_active_user()
    for number in range(60):
        user._consent_granted(Purpose(f"purpose-{number}"), DOCUMENT)

    user.record_consent(Purpose("purpose-59"), DOCUMENT, granted=False)

    assert not user.consents[Purpose("purpose-59")].granted
    with pytest.raises(errors.TooManyConsentPurposes):
        user.record_consent(ADS, DOCUMENT, granted=True)
