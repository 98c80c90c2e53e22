"""The right to one address: vacant, held, and vacant again."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from domain.email_claims import EmailClaim
from domain.errors import EmailTaken, VerificationTokenInvalid
from domain.kernel import event_types, payload_fields, personal_fields
from tests.support.instants import CONFIRM_BY, ERASE_AFTER, MOMENT, NOW
from tests.support.scenarios import given, happened, played

ADDRESS = UUID("11111111-1111-8111-8111-111111111111")
ADA, GRACE = uuid4(), uuid4()


def held_by(user_id: UUID) -> EmailClaim:
    claim = EmailClaim.vacant(ADDRESS)
    claim.claim(user_id, NOW)
    return claim


def reserved_for(user_id: UUID) -> EmailClaim:
    claim = EmailClaim.vacant(ADDRESS)
    claim.reserve(user_id, CONFIRM_BY, NOW)
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
    given(EmailClaim.vacant(ADDRESS)).when(lambda claim: claim.claim(ADA, NOW)).then(
        happened(EmailClaim.Claimed, user_id=ADA)
    )


def test_releasing_a_vacant_address_records_nothing() -> None:
    given(EmailClaim.vacant(ADDRESS)).when(lambda claim: claim.release(ADA)).then()


def test_claiming_what_one_holds_records_nothing() -> None:
    given(held_by(ADA)).when(lambda claim: claim.claim(ADA, NOW)).then()


def test_an_address_that_somebody_holds_cannot_be_claimed() -> None:
    given(held_by(ADA)).when(lambda claim: claim.claim(GRACE, NOW)).then_refused(EmailTaken)


def test_the_holder_can_release_the_address() -> None:
    given(held_by(ADA)).when(lambda claim: claim.release(ADA)).then(happened(EmailClaim.Released, user_id=ADA))


def test_nobody_else_can_release_the_address() -> None:
    claim = held_by(ADA)

    given(claim).when(lambda claim: claim.release(GRACE)).then()

    assert claim.holder == ADA


@pytest.mark.parametrize("next_holder", [ADA, GRACE])
def test_a_released_address_can_be_claimed_by_anybody(next_holder: UUID) -> None:
    given(released_by(ADA)).when(lambda claim: claim.claim(next_holder, NOW)).then(
        happened(EmailClaim.Claimed, user_id=next_holder)
    )


def test_releasing_twice_records_it_once() -> None:
    given(released_by(ADA)).when(lambda claim: claim.release(ADA)).then()


def test_a_vacant_address_can_be_reserved() -> None:
    given(EmailClaim.vacant(ADDRESS)).when(lambda claim: claim.reserve(ADA, CONFIRM_BY, NOW)).then(
        happened(EmailClaim.Claimed, user_id=ADA, reserved_until=CONFIRM_BY)
    )


def test_what_one_holds_for_good_needs_no_reservation() -> None:
    given(held_by(ADA)).when(lambda claim: claim.reserve(ADA, CONFIRM_BY, NOW)).then()


def test_a_reservation_can_be_prolonged_by_who_has_it() -> None:
    later = CONFIRM_BY + MOMENT

    given(reserved_for(ADA)).when(lambda claim: claim.reserve(ADA, later, NOW)).then(
        happened(EmailClaim.Claimed, user_id=ADA, reserved_until=later)
    )
    given(reserved_for(ADA)).when(lambda claim: claim.reserve(ADA, CONFIRM_BY, NOW)).then()


def test_a_reserved_address_is_taken_until_the_last_moment() -> None:
    last = CONFIRM_BY - MOMENT

    given(reserved_for(ADA)).when(lambda claim: claim.claim(GRACE, last)).then_refused(EmailTaken)
    given(reserved_for(ADA)).when(lambda claim: claim.reserve(GRACE, ERASE_AFTER, last)).then_refused(EmailTaken)


def test_a_reservation_that_ran_out_is_void() -> None:
    until = CONFIRM_BY + MOMENT

    given(reserved_for(ADA)).when(lambda claim: claim.claim(GRACE, CONFIRM_BY)).then(
        happened(EmailClaim.Claimed, user_id=GRACE)
    )
    given(reserved_for(ADA)).when(lambda claim: claim.reserve(GRACE, until, CONFIRM_BY)).then(
        happened(EmailClaim.Claimed, user_id=GRACE, reserved_until=until)
    )


def test_a_right_without_an_end_never_runs_out() -> None:
    end_of_time = datetime.max.replace(tzinfo=UTC)

    given(held_by(ADA)).when(lambda claim: claim.claim(GRACE, end_of_time)).then_refused(EmailTaken)


def test_confirming_makes_a_reservation_a_right() -> None:
    given(reserved_for(ADA)).when(lambda claim: claim.confirm(ADA)).then(happened(EmailClaim.Claimed, user_id=ADA))
    given(held_by(ADA)).when(lambda claim: claim.confirm(ADA)).then()


def test_an_address_that_went_to_somebody_else_cannot_be_confirmed() -> None:
    given(held_by(GRACE)).when(lambda claim: claim.confirm(ADA)).then_refused(VerificationTokenInvalid)
    given(released_by(ADA)).when(lambda claim: claim.confirm(ADA)).then_refused(VerificationTokenInvalid)


def test_releasing_ends_a_reservation() -> None:
    claim = reserved_for(ADA)
    claim.release(ADA)

    given(claim).when(lambda claim: claim.claim(GRACE, NOW)).then(happened(EmailClaim.Claimed, user_id=GRACE))


def test_a_claim_is_its_facts_played_again_from_vacancy() -> None:
    claim = held_by(ADA)
    claim.release(ADA)
    claim.claim(GRACE, NOW)

    events = claim.collect_events()

    assert [event.originator_version for event in events] == [1, 2, 3]
    assert played(events, EmailClaim.vacant(ADDRESS)).holder == GRACE
    assert played(events, EmailClaim.vacant(ADDRESS)).version == claim.version


@pytest.mark.parametrize("event_type", event_types(EmailClaim))
def test_a_claim_records_who_and_never_which_address(event_type: type[EmailClaim.Event]) -> None:
    assert [field.name for field in payload_fields(event_type)] in (["user_id"], ["user_id", "reserved_until"])
    assert personal_fields(event_type) == frozenset()


def test_refusing_says_nothing_about_the_holder() -> None:
    with pytest.raises(EmailTaken) as refusal:
        held_by(ADA).claim(GRACE, NOW)

    assert refusal.value.args == ()
    assert str(ADA) not in str(refusal.value)
