"""Users and events, as the API returns them."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.http.answers import Receipt
from application.history.queries import TimelineItem
from application.history.timeline import TimelineEntry
from application.users.directory import UserEntry
from application.users.queries import UserAt
from domain.users import User
from domain.users.values import UserStatus
from domain.values import ERASED

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
BirthDate = Annotated[
    date | None,
    msgspec.Meta(
        extra_json_schema={"anyOf": [{"type": "string", "format": "date"}, {"const": ERASED}, {"type": "null"}]}
    ),
]
"""A date; or `[erased]`, as for all personal data of erased people."""


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields in camelCase; none is omitted."""


class ConsentView(View, frozen=True):
    """The current consent of a person to one purpose."""

    granted: bool
    document_version: str


class UserView(View, frozen=True):
    """A user."""

    id: UUID
    version: int
    email: str
    email_verified: bool
    pending_email: str | None
    """Another address that has been requested, but not confirmed."""
    display_name: str
    country: str
    locale: str | None
    birth_date: BirthDate
    explicit_content_filter: bool
    external_id: str | None
    status: UserStatus
    consents: dict[str, ConsentView]
    """By purpose."""
    erase_after: Instant | None
    """When a user who asked to be deleted will be erased."""
    created_at: Instant
    updated_at: Instant


class UserListItem(View, frozen=True):
    """A user in a list."""

    id: UUID
    version: int
    email: str
    email_verified: bool
    display_name: str
    country: str
    locale: str | None
    external_id: str | None
    status: UserStatus
    created_at: Instant
    updated_at: Instant


class UserStateView(View, frozen=True):
    """A user as of a moment, and the last event that this reflects."""

    version: int
    position: int
    recorded_at: Instant
    user: UserView


class UserReceipt(Receipt, frozen=True, rename="camel"):
    """The result of a command: the user's new version, and the log position that includes the change."""

    user_id: UUID
    version: int
    position: int


class FactView(View, frozen=True):
    """An event: what, when, by whom, on whose behalf, through which client, why, in which command."""

    position: int
    user_id: UUID
    stream_id: UUID
    version: int
    topic: str
    recorded_at: Instant
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None
    correlation_id: UUID | None


class FactWithDataView(FactView, frozen=True):
    """An event, with its content."""

    unreadable: bool
    """Whether its content cannot be read: this release does not know its topic, or it or its key is damaged."""
    data: dict[str, Any]
    """Empty if it cannot be read."""


def user_view(user: User) -> UserView:
    """A user as of the state that was loaded."""
    return UserView(
        id=user.id,
        version=user.version,
        email=user.email,
        email_verified=user.email_verified,
        pending_email=user.pending_email,
        display_name=user.display_name,
        country=user.country,
        locale=user.locale,
        birth_date=user.birth_date,
        explicit_content_filter=user.explicit_content_filter,
        external_id=user.external_id,
        status=user.status,
        consents={
            purpose: ConsentView(granted=consent.granted, document_version=consent.document_version)
            for purpose, consent in user.consents.items()
        },
        erase_after=user.erase_after,
        created_at=user.created_at,
        updated_at=user.modified_on,
    )


def user_list_item(entry: UserEntry) -> UserListItem:
    """A user as the directory knows them."""
    return UserListItem(
        id=entry.user_id,
        version=entry.version,
        email=entry.email,
        email_verified=entry.email_verified,
        display_name=entry.display_name,
        country=entry.country,
        locale=entry.locale,
        external_id=entry.external_id,
        status=UserStatus(entry.status),
        created_at=entry.created_at,
        updated_at=entry.updated_at,
    )


def user_state(found: UserAt) -> UserStateView:
    """A user at a moment."""
    return UserStateView(
        version=found.version, position=found.position, recorded_at=found.recorded_at, user=user_view(found.user)
    )


def fact(entry: TimelineEntry) -> FactView:
    """An event, without its content."""
    return FactView(**_told_of(entry))


def fact_with_data(item: TimelineItem) -> FactWithDataView:
    """An event, with its content."""
    return FactWithDataView(**_told_of(item.entry), unreadable=item.data is None, data=item.data or {})


def _told_of(entry: TimelineEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in FactView.__struct_fields__}
