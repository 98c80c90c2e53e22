"""Users, as the API returns them."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec

from api.http.answers import Receipt
from api.http.views import Instant, View
from application.users.directory import UserEntry
from application.users.queries import UserAt
from domain.users import User
from domain.users.values import UserStatus
from domain.values import ERASED

BirthDate = Annotated[
    date | None,
    msgspec.Meta(
        extra_json_schema={"anyOf": [{"type": "string", "format": "date"}, {"const": ERASED}, {"type": "null"}]}
    ),
]
"""A date; or `[erased]`, as for all personal data of erased people."""


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
