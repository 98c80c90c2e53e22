"""The right to one address: vacant, held, and vacant again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from domain.errors import EmailTaken, TooManyEmailRequests, VerificationTokenInvalid
from domain.kernel import event_types, payload_fields, personal_fields
from domain.limits import REMEMBERED, Limit
from domain.users.email_claim import EmailClaim
from tests.support.instants import CONFIRM_BY, MOMENT, NOW
from tests.support.scenarios import Ask, fact_of, given, happened, played

ADDRESS = UUID("11111111-1111-8111-8111-111111111111")
OTHER_ADDRESS = UUID("22222222-2222-8222-8222-222222222222")
ADA, GRACE, EVE = uuid4(), uuid4(), uuid4()
LENGTH = CONFIRM_BY - NOW
MAILS = Limit(3, timedelta(hours=24))
AT_ONCE = Limit(REMEMBERED, timedelta(hours=24))
"""As many mails as an example needs."""


def held_by(user_id: UUID) -> EmailClaim:
    claim = EmailClaim.blank(ADDRESS)
    claim.claim(user_id, NOW)
    return claim


def reserved_for(user_id: UUID) -> EmailClaim:
    claim = EmailClaim.blank(ADDRESS)
    claim.request(user_id, CONFIRM_BY, NOW, AT_ONCE, is_told=True)
    return claim


def asked(user_id: UUID, at: datetime = NOW, mails: Limit = AT_ONCE, *, is_told: bool = False) -> Ask[EmailClaim]:
    """Ask for the address, to be confirmed within as long as it takes from `NOW` to `CONFIRM_BY`."""
    return lambda claim: claim.request(user_id, at + LENGTH, at, mails, is_told=is_told)


def released_by(user_id: UUID) -> EmailClaim:
    claim = held_by(user_id)
    claim.release(user_id)
    return claim


def test_a_claim_of_which_nothing_is_known_is_vacant() -> None:
    claim = EmailClaim.blank(ADDRESS)

    assert (claim.id, claim.version, claim.holder) == (ADDRESS, 0, None)
    assert list(claim.collect_events()) == []


def test_a_vacant_address_can_be_claimed() -> None:
    given(EmailClaim.blank(ADDRESS)).when(lambda claim: claim.claim(ADA, NOW)).then(
        happened(EmailClaim.Claimed, user_id=ADA)
    )


def test_releasing_a_vacant_address_records_nothing() -> None:
    given(EmailClaim.blank(ADDRESS)).when(lambda claim: claim.release(ADA)).then()


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


@pytest.mark.parametrize("is_told", [False, True])
def test_a_vacant_address_is_reserved_for_who_asks_for_it_and_mailed(*, is_told: bool) -> None:
    given(EmailClaim.blank(ADDRESS)).when(asked(ADA, is_told=is_told)).then(
        happened(EmailClaim.Claimed, user_id=ADA, reserved_until=CONFIRM_BY, mailed_at=NOW)
    )


def test_what_one_holds_for_good_needs_no_reservation_but_is_mailed() -> None:
    given(held_by(ADA)).when(asked(ADA)).then(happened(EmailClaim.AskedFor, user_id=ADA, mailed_at=NOW))


def test_asking_again_is_mailed_and_does_not_prolong_the_reservation() -> None:
    claim, later = reserved_for(ADA), NOW + MOMENT

    given(claim).when(asked(ADA, later)).then(happened(EmailClaim.AskedFor, user_id=ADA, mailed_at=later))

    assert (claim.holder, claim.reserved_until) == (ADA, CONFIRM_BY)


def test_a_reserved_address_is_taken_until_the_last_moment() -> None:
    last = CONFIRM_BY - MOMENT

    given(reserved_for(ADA)).when(lambda claim: claim.claim(GRACE, last)).then_refused(EmailTaken)
    given(reserved_for(ADA)).when(asked(GRACE, last, is_told=True)).then_refused(EmailTaken)


def test_a_reservation_that_ran_out_is_void() -> None:
    given(reserved_for(ADA)).when(lambda claim: claim.claim(GRACE, CONFIRM_BY)).then(
        happened(EmailClaim.Claimed, user_id=GRACE)
    )
    given(reserved_for(ADA)).when(lambda claim: claim.confirm(GRACE, CONFIRM_BY)).then(
        happened(EmailClaim.Claimed, user_id=GRACE)
    )


@pytest.mark.parametrize("next_asker", [ADA, GRACE])
@pytest.mark.parametrize("given_up", [False, True])
def test_after_a_reservation_nobody_has_another_one_for_as_long(next_asker: UUID, *, given_up: bool) -> None:
    claim, too_soon, at_last = reserved_for(ADA), CONFIRM_BY + LENGTH - MOMENT, CONFIRM_BY + LENGTH
    if given_up:
        claim.withdraw(ADA)

    given(claim).when(asked(next_asker, too_soon)).then(
        happened(EmailClaim.AskedFor, user_id=next_asker, mailed_at=too_soon)
    )
    given(claim).when(asked(next_asker, at_last)).then(
        happened(EmailClaim.Claimed, user_id=next_asker, reserved_until=at_last + LENGTH, mailed_at=at_last)
    )


def test_what_is_reserved_for_nobody_belongs_to_whoever_confirms_it_first() -> None:
    claim = reserved_for(ADA)
    for who in (ADA, GRACE, EVE):
        asked(who, CONFIRM_BY)(claim)

    given(claim).when(lambda claim: claim.confirm(EVE, CONFIRM_BY)).then(happened(EmailClaim.Claimed, user_id=EVE))
    given(claim).when(lambda claim: claim.confirm(GRACE, CONFIRM_BY)).then_refused(VerificationTokenInvalid)
    given(claim).when(lambda claim: claim.confirm(ADA, CONFIRM_BY)).then_refused(VerificationTokenInvalid)


def test_several_who_take_turns_cannot_keep_an_address_from_others() -> None:
    claim = EmailClaim.blank(ADDRESS)
    hours = [NOW + timedelta(hours=hour) for hour in range(24 * 30)]

    free = 0
    for number, hour in enumerate(hours):
        asked((ADA, GRACE)[number % 2], hour)(claim)
        free += claim.is_free_for(EVE, hour)

    assert free >= len(hours) // 2 - 1


def test_who_was_confirmed_and_has_moved_on_leaves_an_address_that_can_be_reserved() -> None:
    claim = reserved_for(ADA)
    claim.confirm(ADA, NOW)
    claim.release(ADA)

    given(claim).when(asked(GRACE)).then(
        happened(EmailClaim.Claimed, user_id=GRACE, reserved_until=CONFIRM_BY, mailed_at=NOW)
    )


@pytest.mark.parametrize("claim", [held_by(ADA), reserved_for(ADA)], ids=["held", "reserved"])
def test_who_may_not_know_whose_an_address_is_is_not_refused_and_does_not_get_it(claim: EmailClaim) -> None:
    before = claim.holder, claim.reserved_until

    given(claim).when(asked(GRACE)).then(happened(EmailClaim.Contested, user_id=GRACE, mailed_at=NOW))

    assert (claim.holder, claim.reserved_until) == before
    given(claim).when(lambda claim: claim.confirm(GRACE, NOW)).then_refused(VerificationTokenInvalid)


STATES: dict[str, Callable[[], EmailClaim]] = {
    "vacant": lambda: EmailClaim.blank(ADDRESS),
    "held": lambda: held_by(ADA),
    "reserved": lambda: reserved_for(ADA),
    "released": lambda: released_by(ADA),
    "mailed often": lambda: mailed_often(EmailClaim.blank(ADDRESS)),
    "held and mailed often": lambda: mailed_often(held_by(ADA)),
}


def mailed_often(claim: EmailClaim) -> EmailClaim:
    for _ in range(MAILS.times):
        asked(EVE)(claim)
    return claim


@pytest.mark.parametrize("state", STATES)
def test_asking_and_withdrawing_are_one_fact_each_whatever_the_address_is(state: str) -> None:
    claim = STATES[state]()
    claim.collect_events()

    asked(GRACE, mails=MAILS)(claim)
    asking = claim.collect_events()
    claim.withdraw(GRACE)
    withdrawing = claim.collect_events()

    assert (len(asking), len(withdrawing)) == (1, 1)
    assert claim.holder in {None, ADA, EVE}


def test_an_address_is_mailed_so_many_times_a_day_whoever_asks() -> None:
    claim, instants = EmailClaim.blank(ADDRESS), [NOW + number * timedelta(minutes=10) for number in range(300)]

    for number, instant in enumerate(instants):
        asked(UUID(int=number), instant, MAILS)(claim)

    mailed = [event.mailed_at for event in claim.collect_events() if event.mailed_at]  # type: ignore[attr-defined]
    assert mailed == [*instants[:3], *instants[144:147], *instants[288:291]]


@pytest.mark.parametrize("holder", [None, ADA], ids=["vacant", "held"])
def test_who_may_not_know_whose_an_address_is_is_not_told_that_it_was_mailed_too_often_either(
    holder: UUID | None,
) -> None:
    claim = mailed_often(EmailClaim.blank(ADDRESS) if holder is None else held_by(holder))

    asked(GRACE, mails=MAILS)(claim)

    assert claim.collect_events()[-1].mailed_at is None  # type: ignore[attr-defined]


def test_others_are_told_when_an_address_was_mailed_too_often_and_how_long_to_wait() -> None:
    claim, later = mailed_often(EmailClaim.blank(ADDRESS)), NOW + timedelta(hours=23)

    given(claim).when(asked(EVE, later, MAILS, is_told=True)).then_refused(TooManyEmailRequests)

    with pytest.raises(TooManyEmailRequests) as refusal:
        asked(EVE, later, MAILS, is_told=True)(claim)
    assert refusal.value.wait == timedelta(hours=1)


def test_who_has_an_address_is_told_when_it_was_mailed_too_often() -> None:
    given(mailed_often(held_by(ADA))).when(asked(ADA, mails=MAILS)).then_refused(TooManyEmailRequests)


def test_mails_are_counted_on_when_an_address_changes_hands() -> None:
    claim = EmailClaim.blank(ADDRESS)
    for who in (ADA, GRACE, EVE):
        claim.claim(who, NOW, is_mailed=claim.may_be_mailed(NOW, MAILS))
        claim.release(who)

    assert not claim.may_be_mailed(NOW + MAILS.within - MOMENT, MAILS)
    assert claim.may_be_mailed(NOW + MAILS.within, MAILS)


def test_a_right_without_an_end_never_runs_out() -> None:
    end_of_time = datetime.max.replace(tzinfo=UTC)

    given(held_by(ADA)).when(lambda claim: claim.claim(GRACE, end_of_time)).then_refused(EmailTaken)


def test_confirming_makes_a_reservation_a_right() -> None:
    given(reserved_for(ADA)).when(lambda claim: claim.confirm(ADA, NOW)).then(happened(EmailClaim.Claimed, user_id=ADA))
    given(held_by(ADA)).when(lambda claim: claim.confirm(ADA, NOW)).then()


def test_an_address_that_went_to_somebody_else_cannot_be_confirmed() -> None:
    given(held_by(GRACE)).when(lambda claim: claim.confirm(ADA, NOW)).then_refused(VerificationTokenInvalid)
    given(reserved_for(GRACE)).when(lambda claim: claim.confirm(ADA, NOW)).then_refused(VerificationTokenInvalid)


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
    assert played(events, EmailClaim.blank(ADDRESS)).holder == GRACE
    assert played(events, EmailClaim.blank(ADDRESS)).version == claim.version


def test_a_claim_can_follow_another_one_of_the_same_address_fact_by_fact() -> None:
    claim, other = EmailClaim.blank(ADDRESS), EmailClaim.blank(OTHER_ADDRESS)
    for ask in (asked(ADA), asked(GRACE), asked(ADA), lambda c: c.withdraw(GRACE), lambda c: c.withdraw(ADA)):
        ask(claim)

    other.repeat(claim.pending_events)

    facts, others = ([fact_of(event) for event in each.collect_events()] for each in (claim, other))
    assert facts == others
    assert {fact.event for fact in facts} == {event.__qualname__ for event in event_types(EmailClaim)}
    assert other.says_the_same(claim)
    assert (other.mailed, other.last_reserved_until) == (claim.mailed, claim.last_reserved_until)


@pytest.mark.parametrize("event_type", event_types(EmailClaim))
def test_a_claim_records_who_and_when_and_never_which_address(event_type: type[EmailClaim.Event]) -> None:
    fields = [field.name for field in payload_fields(event_type)]

    assert fields[0] == "user_id"
    assert set(fields[1:]) <= {"reserved_until", "mailed_at"}
    assert personal_fields(event_type) == frozenset()


def test_refusing_says_nothing_about_the_holder() -> None:
    with pytest.raises(EmailTaken) as refusal:
        held_by(ADA).claim(GRACE, NOW)

    assert refusal.value.args == ()
    assert str(ADA) not in str(refusal.value)
