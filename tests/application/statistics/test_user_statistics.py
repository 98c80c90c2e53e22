"""The statistics: what each fact of a life adds to which count, and on which day."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given as for_all

from application.recorded import Recorded
from application.statistics.counts import Counted, by_day, by_part
from application.statistics.user_statistics import (
    ACTIVE,
    CONSENTING,
    PURPOSES_COUNTED,
    USER_STATISTICS,
    AccountCounts,
    account_counts,
    counts_of,
)
from domain.users import User
from domain.users.values import UserStatus
from tests.support.histories import histories, lived
from tests.support.scenarios import Ask, event_of
from tests.support.users import an_unverified_user

ADA = UUID("01960000-0000-7000-8000-00000000000a")
MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)
FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)


def fact(event_type: type[Any], day: int = 1, **payload: Any) -> Recorded[Any]:
    event = event_of(event_type, stream_id=ADA, version=1, **payload)
    return Recorded(event, event.TOPIC, 1, MORNING + timedelta(days=day - 1))


def folded(*facts: Recorded[Any]) -> AccountCounts:
    account: AccountCounts | None = None
    for recorded in facts:
        account = account_counts(account, recorded)
    assert account is not None
    return account


def counted(*facts: Recorded[Any]) -> dict[tuple[str, ...], int]:
    """Counts that are not 0, with the day of the month."""
    return {(m, c, str(day.day), *filter(None, [p])): n for (m, c, day, p), n in counts_of(folded(*facts)).items()}


REGISTERED = fact(User.Registered, country="SE", email="ada@example.com", display_name="Ada")


def test_a_registration_is_counted_and_makes_an_active_account() -> None:
    assert counted(REGISTERED) == {("registered", "SE", "1"): 1, ("active", "SE", "1"): 1}


def test_who_moves_leaves_one_country_and_comes_to_the_other_with_their_consents() -> None:
    granted = fact(User.ConsentGranted, purpose="ads", document_version="1")

    changes = counted(REGISTERED, granted, fact(User.CountryChanged, day=2, country="NO"))

    assert {key: count for key, count in changes.items() if "2" in key} == {
        ("active", "SE", "2"): -1,
        ("active", "NO", "2"): 1,
        ("consenting", "SE", "2", "ads"): -1,
        ("consenting", "NO", "2", "ads"): 1,
    }


def test_who_was_suspended_and_reinstated_on_one_day_was_never_away() -> None:
    assert counted(REGISTERED, fact(User.Suspended, reason="spam"), fact(User.Reinstated, reason="no spam")) == counted(
        REGISTERED
    )


def test_an_account_that_is_closed_twice_is_missing_once() -> None:
    changes = counted(
        REGISTERED, fact(User.Suspended, day=2, reason="spam"), fact(User.DeletionRequested, day=3, erase_after=MORNING)
    )

    assert changes["active", "SE", "2"] == -1
    assert ("active", "SE", "3") not in changes
    assert changes["deletion_requested", "SE", "3"] == 1


def test_an_erased_account_counts_as_one_that_was_there_and_keeps_nothing_of_the_person() -> None:
    granted = fact(User.ConsentGranted, purpose="ads", document_version="1")
    erased = folded(REGISTERED, granted, fact(User.Erased, day=2))

    assert (erased.erased, erased.consents) == (True, "")
    assert sum(n for (m, *_), n in counts_of(erased).items() if m in {ACTIVE, CONSENTING}) == 0
    assert counts_of(erased)["registered", "SE", FIRST, ""] == 1
    assert counts_of(erased)["erased", "SE", SECOND, ""] == 1


def test_days_are_those_of_utc() -> None:
    late = Recorded(REGISTERED.event, "user.registered", 1, datetime.fromisoformat("2026-01-01T01:00+02:00"))

    assert {day for _, _, day, _ in counts_of(folded(late))} == {date(2025, 12, 31)}


def test_nobody_makes_their_row_as_long_as_they_like() -> None:
    many = [fact(User.ConsentGranted, purpose=f"p{n}", document_version="1") for n in range(3 * PURPOSES_COUNTED)]
    withdrawn = fact(User.ConsentWithdrawn, purpose="p0", document_version="1")

    account = folded(REGISTERED, *many, withdrawn)

    assert len({purpose for *_, purpose in counts_of(account)} - {""}) == PURPOSES_COUNTED
    assert len(account.consents.split()) == PURPOSES_COUNTED - 1


@for_all(histories())
def test_the_counts_agree_with_the_person_at_every_moment(asks: list[Ask[User]]) -> None:
    user: Any = None
    account: AccountCounts | None = None

    for event in lived(an_unverified_user(), asks).collect_events():
        user = event.mutate(user)
        if type(event) in USER_STATISTICS.events:
            account = account_counts(account, Recorded(event, "", 1, MORNING))
        assert account is not None
        total: Counter[tuple[str, ...]] = Counter()
        for (measure, country, _, purpose), count in counts_of(account).items():
            total[measure, country, purpose] += count

        granted = [purpose for purpose, consent in user.consents.items() if consent.granted]
        expected = {} if user.erased else {(CONSENTING, user.country, purpose): 1 for purpose in granted}
        if user.status is UserStatus.ACTIVE:
            expected[ACTIVE, user.country, ""] = 1
        assert {key: n for key, n in total.items() if key[0] in {ACTIVE, CONSENTING} and n} == expected


def test_levels_last_until_they_change_and_happenings_are_of_their_day() -> None:
    before, third = FIRST - timedelta(days=1), SECOND + timedelta(days=1)
    counts = [
        Counted(measure="active", part="", day=before, count=10),
        Counted(measure="registered", part="", day=before, count=12),
        Counted(measure="active", part="", day=SECOND, count=-3),
        Counted(measure="registered", part="", day=SECOND, count=1),
    ]

    assert list(by_day(counts, FIRST, third)) == [
        (FIRST, {"active": 10}),
        (SECOND, {"active": 7, "registered": 1}),
        (third, {"active": 7}),
    ]
    assert by_part(counts, SECOND) == {"": {"active": 7, "registered": 1}}
