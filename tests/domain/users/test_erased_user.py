"""A user of whom nothing is left."""

from collections.abc import Callable

import pytest

from domain.errors import UserIsErased
from domain.kernel import event_types, payload_fields, personal_fields
from domain.users import User
from domain.users.values import ExternalId, UserStatus
from domain.values import ERASED
from tests.support.instants import CONFIRM_BY, NOW
from tests.support.outcomes import NOTHING, Outcome, check
from tests.support.scenarios import given, happened
from tests.support.users import (
    ASKS,
    BIRTH_DATE,
    EMAIL,
    OFTEN,
    OTHER_EMAIL,
    a_deactivated_user,
    a_suspended_user,
    a_user_waiting_for_deletion,
    a_user_with_a_pending_email,
    an_active_user,
    an_erased_user,
    an_unverified_user,
)

OUTCOMES: dict[str, Outcome] = {**dict.fromkeys(ASKS, UserIsErased), "erase": NOTHING, "erase_when_due": NOTHING}


@pytest.mark.parametrize("ask", ASKS)
def test_an_erased_user_is_gone_for_every_purpose(ask: str) -> None:
    check(given(an_erased_user()).when(ASKS[ask]), OUTCOMES[ask])


@pytest.mark.parametrize(
    "a_user",
    [
        an_active_user,
        an_unverified_user,
        a_user_with_a_pending_email,
        a_suspended_user,
        a_deactivated_user,
        a_user_waiting_for_deletion,
    ],
)
def test_a_user_can_be_erased_in_every_state_and_is_erased_whatever_else_applies(a_user: Callable[[], User]) -> None:
    user = a_user()

    given(user).when(lambda user: user.erase()).then(happened(User.Erased))

    assert user.status is UserStatus.ERASED


def test_nothing_personal_is_left_in_memory() -> None:
    user = an_active_user(birth_date=BIRTH_DATE, external_id=ExternalId("crm-1"))
    user.request_email_change(OTHER_EMAIL, CONFIRM_BY, NOW, OFTEN)

    user.erase()

    left: set[object] = {user.email, user.display_name, user.birth_date, user.external_id}
    assert left == {ERASED}
    assert (user.email_request, user.pending_email) == (None, None)
    assert EMAIL not in repr(user)
    assert OTHER_EMAIL not in repr(user)


def test_the_fact_of_an_erasure_says_nothing_about_the_person() -> None:
    assert payload_fields(User.Erased) == ()


def test_every_personal_attribute_is_known_to_the_test_above() -> None:
    user = an_active_user()

    attributes = {name for event in event_types(User) for name in personal_fields(event) if hasattr(user, name)}

    assert attributes == {"email", "display_name", "birth_date", "external_id"}
