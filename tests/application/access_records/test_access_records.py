"""Which readings of personal data go on record: whose permission is used decides, not who is said to use it."""

from uuid import UUID

import pytest

from application.access_records.recording import goes_on_record
from application.access_tokens import Access
from application.actors import Actor, Role

ANN, BOB = UUID(int=1), UUID(int=2)
OUTSIDE = [role for role in Role if role is not Role.SYSTEM]
UNRECORDED = {
    (Role.SERVICE, None, "own"),
    (Role.SERVICE, None, "another's"),
    (Role.SERVICE, None, "several"),
    (Role.USER, None, "own"),
}
"""Role of the subject, role of whoever acts for them, whose data. All else is recorded."""
WHOSE = {"own": [ANN], "another's": [BOB], "several": [ANN, BOB]}


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("acting", [None, *OUTSIDE])
@pytest.mark.parametrize("role", OUTSIDE)
def test_only_services_for_themselves_and_people_for_their_own_data_read_unrecorded(
    role: Role, acting: Role | None, whose: str
) -> None:
    subject = str(ANN)
    actor = Actor(role, subject) if acting is None else Actor(acting, str(ANN), on_behalf_of=subject)
    access = Access(role=role, subject=subject, actor=actor)

    assert goes_on_record(access, WHOSE[whose]) == ((role, acting, whose) not in UNRECORDED)
