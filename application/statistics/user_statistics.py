"""The statistics: how many accounts are active, come, go, and agree to what; by day and country, naming nobody.

Each account's row keeps what the account adds to each count, on each day of its life on which that changed. The counts
are the sums over all rows, kept beside them (`Tally`): so they are exact whatever is replayed, repaired or rebuilt.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import astuple, replace

from application.projections.definition import LIKE_THE_LOG, Holds, Projection, Tally
from application.recorded import Recorded
from domain.users import User

ACTIVE = "active"
CONSENTING = "consenting"
REGISTERED = "registered"
DELETION_REQUESTED = "deletion_requested"
DELETION_WITHDRAWN = "deletion_withdrawn"
ERASED = "erased"
CONSENT_GRANTED = "consent_granted"
CONSENT_WITHDRAWN = "consent_withdrawn"

LEVELS = frozenset({ACTIVE, CONSENTING})
"""What is so until it changes; counted as what each day adds or takes away. All others are things that happened."""
PURPOSES_COUNTED = 50
"""Of one account; so that nobody can make its row, which is written anew each time, as long as they like."""

Key = tuple[str, str, date, str]
"""Of a count: measure, country, day, purpose."""
Part = tuple[str, str, str]
"""The same without the day."""


class DayCount(msgspec.Struct, frozen=True, array_like=True):
    """How many, of one measure, in one country, on one day (in UTC), for one purpose if it is about consents."""

    measure: str
    country: str
    day: date
    purpose: str
    count: int


class AccountCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One account, also one that was erased: what it is now, and what it has added to each count so far."""

    user_id: UUID
    country: str
    suspended: bool = False
    deactivated: bool = False
    deletion_requested: bool = False
    erased: bool = False
    consents: str = ""
    """The purposes that the person agrees to, with spaces between."""
    counts: str = "[]"
    """A list of `DayCount`, in JSON."""


def account_counts(account: AccountCounts | None, recorded: Recorded[Any]) -> AccountCounts | None:
    """The account's row after one more fact that matters to a count."""
    event = recorded.event
    if isinstance(event, User.Registered):
        return _counted(None, AccountCounts(user_id=event.originator_id, country=event.country), recorded)
    if account is None or not _has_room(account, event):
        return account
    return _counted(account, replace(account, **_CHANGES[type(event)](account, event)), recorded)


def counts_of(account: AccountCounts) -> dict[Key, int]:
    """What one account adds to which counts."""
    return {astuple(count)[:-1]: count.count for count in msgspec.json.decode(account.counts, type=list[DayCount])}


def _counted(before: AccountCounts | None, after: AccountCounts, recorded: Recorded[Any]) -> AccountCounts:
    """The row with the counts that a fact has changed."""
    counts = counts_of(after)
    day = recorded.recorded_at.astimezone(UTC).date()
    for (measure, country, purpose), change in _changes(before, after, recorded.event):
        key = (measure, country, day, purpose)
        counts[key] = counts.get(key, 0) + change
    kept = [DayCount(*key, count) for key, count in counts.items() if count]
    return replace(after, counts=msgspec.json.encode(kept).decode())


def _changes(before: AccountCounts | None, after: AccountCounts, event: Any) -> Iterator[tuple[Part, int]]:
    held, holds = _held(before), _held(after)
    yield from ((part, -1) for part in sorted(held - holds))
    yield from ((part, 1) for part in sorted(holds - held))
    happening = _HAPPENINGS.get(type(event))
    if happening:
        yield (happening, after.country, getattr(event, "purpose", "")), 1


def _held(account: AccountCounts | None) -> frozenset[Part]:
    """Which levels an account counts for now."""
    if account is None or account.erased:
        return frozenset()
    consents = {(CONSENTING, account.country, purpose) for purpose in account.consents.split()}
    is_active = not (account.suspended or account.deactivated or account.deletion_requested)
    return frozenset(consents | {(ACTIVE, account.country, "")} if is_active else consents)


def _has_room(account: AccountCounts, event: Any) -> bool:
    """Whether a fact is not about one purpose too many."""
    if not isinstance(event, User.ConsentGranted | User.ConsentWithdrawn):
        return True
    known = {purpose for *_, purpose in counts_of(account) if purpose}.union(account.consents.split())
    return event.purpose in known or len(known) < PURPOSES_COUNTED


def _agreed(account: AccountCounts, event: Any) -> dict[str, Any]:
    return {"consents": " ".join(sorted({*account.consents.split(), event.purpose}))}


def _disagreed(account: AccountCounts, event: Any) -> dict[str, Any]:
    return {"consents": " ".join(sorted({*account.consents.split()} - {event.purpose}))}


_CHANGES: dict[type, Callable[[AccountCounts, Any], dict[str, Any]]] = {
    User.Registered: lambda _, __: {},
    User.CountryChanged: lambda _, e: {"country": e.country},
    User.Suspended: lambda _, __: {"suspended": True},
    User.Reinstated: lambda _, __: {"suspended": False},
    User.Deactivated: lambda _, __: {"deactivated": True},
    User.Reactivated: lambda _, __: {"deactivated": False},
    User.DeletionRequested: lambda _, __: {"deletion_requested": True},
    User.DeletionWithdrawn: lambda _, __: {"deletion_requested": False},
    User.Erased: lambda _, __: {"erased": True, "consents": ""},
    User.ConsentGranted: _agreed,
    User.ConsentWithdrawn: _disagreed,
}
"""What a fact changes in the row."""
_HAPPENINGS: dict[type, str] = {
    User.Registered: REGISTERED,
    User.DeletionRequested: DELETION_REQUESTED,
    User.DeletionWithdrawn: DELETION_WITHDRAWN,
    User.Erased: ERASED,
    User.ConsentGranted: CONSENT_GRANTED,
    User.ConsentWithdrawn: CONSENT_WITHDRAWN,
}
"""What a fact itself is counted as."""

USER_STATISTICS: Projection[AccountCounts] = Projection(
    name="user_statistics",
    version=2,
    reads_personal=(),
    events=tuple(_CHANGES),
    row=AccountCounts,
    holds=Holds(purpose="counting accounts, naming nobody", kept=LIKE_THE_LOG),
    fold=account_counts,
    tally=Tally(row=DayCount, of=counts_of),
    hurries=False,
)
