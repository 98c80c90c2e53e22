"""The directory: one row for each person, for searching and listing."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.projections import UNTIL_ERASED, Holds, Index, Projection
from application.recorded import Recorded
from domain.kernel import event_types
from domain.users import User
from domain.values import UserStatus, email_key


class UserEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory tells of a person."""

    user_id: UUID
    version: int
    email: str
    email_key: str
    email_verified: bool = False
    display_name: str
    name_key: str
    country: str
    locale: str | None = None
    external_id: str | None = None
    status: str = UserStatus.ACTIVE
    suspended: bool = False
    deactivated: bool = False
    deletion_requested: bool = False
    created_at: datetime
    updated_at: datetime


def user_entry(entry: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
    """The person's row after one more fact of their life."""
    if isinstance(recorded.event, User.Registered):
        return _registered(recorded.event, recorded.recorded_at)
    if entry is None or isinstance(recorded.event, User.Erased):
        return None
    event = recorded.event
    change = _CHANGES.get(type(event))
    if change is None:
        return replace(entry, version=event.originator_version, updated_at=recorded.recorded_at)
    changed = replace(entry, version=event.originator_version, updated_at=recorded.recorded_at, **change(event))
    return replace(changed, status=_status(changed))


def name_key(name: str) -> str:
    """The form in which names are searched."""
    return name.casefold()


def _registered(event: Any, recorded_at: datetime) -> UserEntry:
    return UserEntry(
        user_id=event.originator_id,
        version=event.originator_version,
        email=event.email,
        email_key=email_key(event.email),
        display_name=event.display_name,
        name_key=name_key(event.display_name),
        country=event.country,
        locale=event.locale,
        external_id=event.external_id,
        created_at=recorded_at,
        updated_at=recorded_at,
    )


_CHANGES: dict[type, Callable[[Any], dict[str, Any]]] = {
    User.EmailVerified: lambda _: {"email_verified": True},
    User.EmailChanged: lambda e: {"email": e.email, "email_key": email_key(e.email), "email_verified": True},
    User.DisplayNameChanged: lambda e: {"display_name": e.display_name, "name_key": name_key(e.display_name)},
    User.CountryChanged: lambda e: {"country": e.country},
    User.LocaleChanged: lambda e: {"locale": e.locale},
    User.Suspended: lambda _: {"suspended": True},
    User.Reinstated: lambda _: {"suspended": False},
    User.Deactivated: lambda _: {"deactivated": True},
    User.Reactivated: lambda _: {"deactivated": False},
    User.DeletionRequested: lambda _: {"deletion_requested": True},
    User.DeletionWithdrawn: lambda _: {"deletion_requested": False},
}
"""What a fact changes in the row; all others only make it newer."""


def _status(entry: UserEntry) -> UserStatus:
    if entry.deletion_requested:
        return UserStatus.DELETION_REQUESTED
    if entry.suspended:
        return UserStatus.SUSPENDED
    return UserStatus.DEACTIVATED if entry.deactivated else UserStatus.ACTIVE


USER_DIRECTORY = Projection(
    name="user_directory",
    version=3,
    events=event_types(User),
    reads_personal=(User.Registered, User.EmailChanged, User.DisplayNameChanged),
    row=UserEntry,
    holds=Holds(
        purpose="finding and listing accounts",
        kept=UNTIL_ERASED,
        readable=("email", "email_key", "display_name", "name_key", "external_id"),
    ),
    fold=user_entry,
    indexes=(
        Index("email", ("email_key",)),
        Index("external", ("external_id",)),
        Index("name", ("name_key", "user_id")),
        Index("country", ("country", "user_id")),
        Index("status", ("status", "user_id")),
        Index("created", ("created_at", "user_id")),
    ),
)
