"""What changed about a user between two moments: field by field, with the fact that changed it last."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from application.recorded import Recorded
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


class UserPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A moment in the life of a user: the last fact by then. Version 0, without a fact, is before the registration."""

    version: int
    position: int | None = None
    recorded_at: datetime | None = None


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field that is not what it was, and the fact that made it what it is."""

    field: str
    old: Any
    new: Any
    fact: Recorded[User.Event]


class UserDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two moments. What was changed and changed back is not part of it."""

    old: UserPoint
    new: UserPoint
    changes: Sequence[FieldChange]


class DiffIsBackwardsError(ValueError):
    """The first moment is later than the second one."""


def user_diff(facts: Sequence[Recorded[User.Event]], old_version: int) -> UserDiff:
    """The difference that all facts after a version make; `facts` are those of the user's stream, from the first on."""
    changes, before = dict[str, FieldChange](), Values()
    user: User | None = None
    start: Values = {}
    for fact in facts:
        user = fact.event.mutate(user)
        after = values_of(user)
        if fact.event.originator_version <= old_version:
            start = after
        else:
            changes |= dict(_changed(before, after, fact))
        before = after
    net = (msgspec.structs.replace(change, old=start.get(name)) for name, change in changes.items())
    return UserDiff(
        old=_point([fact for fact in facts if fact.event.originator_version <= old_version]),
        new=_point(facts),
        changes=sorted((c for c in net if c.old != c.new), key=lambda change: change.fact.position),
    )


def values_of(user: User | None) -> Values:
    """All that is compared of a user, by field; nothing of nobody."""
    if user is None:
        return {}
    consents = {f"consents.{purpose}": msgspec.to_builtins(consent) for purpose, consent in user.consents.items()}
    return {name: value(user) for name, value in FIELDS.items()} | consents


def _changed(before: Values, after: Values, fact: Recorded[User.Event]) -> Iterator[tuple[str, FieldChange]]:
    for name, value in after.items():
        if before.get(name) != value:
            yield name, FieldChange(field=name, old=before.get(name), new=value, fact=fact)


def _point(facts: Sequence[Recorded[User.Event]]) -> UserPoint:
    if not facts:
        return UserPoint(version=0)
    last = facts[-1]
    return UserPoint(version=last.event.originator_version, position=last.position, recorded_at=last.recorded_at)
