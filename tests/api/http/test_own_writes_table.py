"""What callers have written is remembered in a table of fixed size that names nobody."""

from api.http.own_writes import OwnWrites
from application.actors import Actor, Role

ADA = Actor(Role.SUPPORT, "ada")


def test_the_last_position_of_a_caller_is_remembered() -> None:
    writes = OwnWrites()
    writes.note(ADA, 7)
    writes.note(ADA, 9)

    assert writes.last(ADA) == 9


def test_the_answer_to_a_repeated_command_takes_nothing_back() -> None:
    writes = OwnWrites()
    writes.note(ADA, 9)
    writes.note(ADA, 3)

    assert writes.last(ADA) == 9


def test_whoever_has_written_nothing_waits_for_nothing() -> None:
    writes = OwnWrites()
    writes.note(ADA, 9)

    assert [writes.last(other) for other in (Actor(Role.ADMIN, "ada"), Actor(Role.SUPPORT, "bob"))] == [0, 0]


def test_one_caller_is_the_same_through_every_client() -> None:
    writes = OwnWrites()
    writes.note(Actor(Role.USER, "ada", client="phone"), 9)

    assert writes.last(Actor(Role.USER, "ada", client="browser")) == 9


def test_who_acts_for_different_people_does_not_wait_for_what_they_did_for_others() -> None:
    writes = OwnWrites()
    writes.note(Actor(Role.SERVICE, "app", on_behalf_of="ada"), 9)

    assert writes.last(Actor(Role.SERVICE, "app", on_behalf_of="bob")) == 0


def test_callers_who_share_a_place_wait_for_each_other_and_never_for_less_than_their_own() -> None:
    writes = OwnWrites(places=1)
    writes.note(ADA, 9)
    writes.note(Actor(Role.ADMIN, "bob"), 12)

    assert writes.last(ADA) == 12
