"""What changed about a user between two moments: each field, and the event that changed it last."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from application.recorded import Recorded
from application.unreadable import mutated
from domain.users import User

Values = dict[str, Any]

FIELDS: dict[str, Callable[[User], Any]] = {
    "email": lambda user: user.email,
    "emailVerified": lambda user: user.email_verified,
    "pendingEmail": lambda user: user.pending_email,
    "displayName": lambda user: user.display_name,
    "country": lambda user: user.country,
    "locale": lambda user: user.locale,
    "birthDate": lambda user: user.birth_date,
    "explicitContentFilter": lambda user: user.explicit_content_filter,
    "externalId": lambda user: user.external_id,
    "status": lambda user: user.status,
    "eraseAfter": lambda user: user.erase_after,
}
"""What is compared of a user besides their consents; by the names on the wire."""

ASSIGNED_BY: dict[type, tuple[str, ...]] = {
    User.Registered: tuple(FIELDS),
    User.EmailVerificationRequested: ("pendingEmail",),
    User.EmailVerified: ("emailVerified", "pendingEmail"),
    User.EmailChangeRequested: ("pendingEmail",),
    User.EmailChangeWithdrawn: ("pendingEmail",),
    User.EmailChanged: ("email", "emailVerified", "pendingEmail"),
    User.DisplayNameChanged: ("displayName",),
    User.CountryChanged: ("country",),
    User.LocaleChanged: ("locale",),
    User.BirthDateChanged: ("birthDate",),
    User.ExplicitContentFilterChanged: ("explicitContentFilter",),
    User.ConsentGranted: (),
    User.ConsentWithdrawn: (),
    User.Suspended: ("status",),
    User.Reinstated: ("status",),
    User.Deactivated: ("status",),
    User.Reactivated: ("status",),
    User.DeletionRequested: ("status", "eraseAfter"),
    User.DeletionWithdrawn: ("status", "eraseAfter"),
    User.Erased: ("email", "pendingEmail", "displayName", "birthDate", "externalId", "status"),
}
"""The fields that each type of event may change; events about consents change that of their purpose."""


class UserPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A moment in the life of a user: the last event by then. Version 0, without one, is before the registration."""

    version: int
    position: int | None = None
    recorded_at: datetime | None = None


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A changed field, and the event that changed it last."""

    field: str
    old: Any
    new: Any
    fact: Recorded[User.Event]

    @property
    def reason(self) -> str | None:
        """The reason: some events contain it, others have that of their command."""
        return getattr(self.fact.event, "reason", None) or self.fact.reason


class UserDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two moments. What was changed and changed back is not part of it."""

    old: UserPoint
    new: UserPoint
    changes: Sequence[FieldChange]


class DiffIsBackwardsError(ValueError):
    """The first moment is later than the second one."""


class Comparison:
    """Compares a user at two moments while replaying their events up to the second moment.

    The cost of an event does not depend on the size of the user: only the fields that its type may assign are compared.
    """

    def __init__(self, old_version: int) -> None:
        """The first moment is after the fact with this version, or before the registration (0)."""
        self._old_version = old_version
        self._user: User | None = None
        self._old: Recorded[User.Event] | None = None
        self._new: Recorded[User.Event] | None = None
        self._start = Values()
        """What each field that has changed was at the first moment."""
        self._changes = dict[str, FieldChange]()

    def add(self, facts: Iterable[Recorded[User.Event]]) -> None:
        """Replay the next events. Raises `HistoryUnreadableError`."""
        for fact in facts:
            if fact.event.originator_version <= self._old_version:
                self._user = mutated(self._user, fact.event, fact.position)
                self._old = fact
            else:
                self._compare(fact)
            self._new = fact

    def _compare(self, fact: Recorded[User.Event]) -> None:
        before = _assigned(fact.event, self._user)
        self._user = mutated(self._user, fact.event, fact.position)
        for name, value in _assigned(fact.event, self._user).items():
            if before[name] != value:
                start = self._start.setdefault(name, before[name])
                self._changes[name] = FieldChange(field=name, old=start, new=value, fact=fact)

    @property
    def version(self) -> int:
        """The version of the last replayed event."""
        return self._new.event.originator_version if self._new else 0

    def difference(self) -> UserDiff:
        """What changed between the two moments."""
        net = (change for change in self._changes.values() if change.old != change.new)
        return UserDiff(
            old=_point(self._old), new=_point(self._new), changes=sorted(net, key=lambda change: change.fact.position)
        )


def _assigned(event: User.Event, user: User | None) -> Values:
    """What a fact may assign, as it is with this user; None stands for what nobody has said yet."""
    if isinstance(event, User.ConsentGranted | User.ConsentWithdrawn):
        consent = user.consents.get(event.purpose) if user else None
        return {f"consents.{event.purpose}": msgspec.to_builtins(consent)}
    return {name: FIELDS[name](user) if user else None for name in ASSIGNED_BY[type(event)]}


def _point(fact: Recorded[User.Event] | None) -> UserPoint:
    if fact is None:
        return UserPoint(version=0)
    return UserPoint(version=fact.event.originator_version, position=fact.position, recorded_at=fact.recorded_at)
