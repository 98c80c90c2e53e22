"""Who asked for something, and whether they are the person it is about."""

from uuid import UUID

import pytest

from application.actors import Actor, Role

ADA = UUID("01960000-0000-7000-8000-00000000000a")
GRACE = UUID("01960000-0000-7000-8000-00000000000b")


def test_an_actor_is_written_as_role_and_id() -> None:
    assert str(Actor(Role.SUPPORT, "jane")) == "support:jane"


def test_a_user_is_the_person_whose_account_has_their_id() -> None:
    assert Actor(Role.USER, str(ADA)).is_user(ADA)
    assert not Actor(Role.USER, str(ADA)).is_user(GRACE)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.USER])
def test_another_role_with_the_same_id_is_not_that_person(role: Role) -> None:
    assert not Actor(role, str(ADA)).is_user(ADA)


def test_the_words_for_a_role_never_change_because_the_log_holds_them() -> None:
    assert {str(role) for role in Role} == {"admin", "support", "auditor", "service", "user", "system"}
