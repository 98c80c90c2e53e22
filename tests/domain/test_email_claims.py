"""The right to one address: vacant, held, and vacant again."""

from uuid import UUID, uuid4

import pytest

from domain.email_claims import EmailClaim
from domain.errors import EmailTaken
from domain.kernel import event_types, payload_fields, personal_fields
from tests.support.scenarios import given, happened, played

ADDRESS = UUID("11111111-1111-8111-8111-111111111111")
ADA, GRACE = uuid4(), uuid4()


def held_by(user_id: UUID) -> EmailClaim:
    claim = EmailClaim.vacant(ADDRESS)
    claim.claim(user_id)
    return claim


def released_by(user_id: UUID) -> EmailClaim:
    claim = held_by(user_id)
    claim.release(user_id)
    return claim


def test_a_claim_of_which_nothing_is_known_is_vacant() -> None:
    claim = EmailClaim.vacant(ADDRESS)

    assert (claim.id, claim.version, claim.holder) == (ADDRESS, 0, None)
    assert list(claim.collect_events()) == []


def test_a_vacant_address_can_be_claimed() -> None:
    given(EmailClaim.vacant(ADDRESS)).when(lambda claim: claim.claim(ADA)).then(
        happened(EmailClaim.Claimed, user_id=ADA)
    )


def test_releasing_a_vacant_address_records_nothing() -> None:
    given(EmailClaim.vacant(ADDRESS)).when(lambda claim: claim.release(ADA)).then()


def test_claiming_what_one_holds_records_nothing() -> None:
    given(held_by(ADA)).when(lambda claim: claim.claim(ADA)).then()


def test_an_address_that_somebody_holds_cannot_be_claimed() -> None:
    given(held_by(ADA)).when(lambda claim: claim.claim(GRACE)).then_refused(EmailTaken)


def test_the_holder_can_release_the_address() -> None:
    given(held_by(ADA)).when(lambda claim: claim.release(ADA)).then(happened(EmailClaim.Released, user_id=ADA))


def test_nobody_else_can_release_the_address() -> None:
    claim = held_by(ADA)

    given(claim).when(lambda claim: claim.release(GRACE)).then()

    assert claim.holder == ADA


@pytest.mark.parametrize("next_holder", [ADA, GRACE])
def test_a_released_address_can_be_claimed_by_anybody(next_holder: UUID) -> None:
    given(released_by(ADA)).when(lambda claim: claim.claim(next_holder)).then(
        happened(EmailClaim.Claimed, user_id=next_holder)
    )


def test_releasing_twice_records_it_once() -> None:
    given(released_by(ADA)).when(lambda claim: claim.release(ADA)).then()


def test_a_claim_is_its_facts_played_again_from_vacancy() -> None:
    claim = held_by(ADA)
    claim.release(ADA)
    claim.claim(GRACE)

    events = claim.collect_events()

    assert [event.originator_version for event in events] == [1, 2, 3]
    assert played(events, EmailClaim.vacant(ADDRESS)).holder == GRACE
    assert played(events, EmailClaim.vacant(ADDRESS)).version == claim.version


@pytest.mark.parametrize("event_type", event_types(EmailClaim))
def test_a_claim_records_who_and_never_which_address(event_type: type[EmailClaim.Event]) -> None:
    assert [field.name for field in payload_fields(event_type)] == ["user_id"]
    assert personal_fields(event_type) == frozenset()


def test_refusing_says_nothing_about_the_holder() -> None:
    with pytest.raises(EmailTaken) as refusal:
        held_by(ADA).claim(GRACE)

    assert refusal.value.args == ()
    assert str(ADA) not in str(refusal.value)
