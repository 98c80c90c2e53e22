"""What can be asked about one user, and about all of them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from application.queries import Page, PageRequest
from application.users.diff import UserDiff
from application.users.directory import UserEntry
from domain.users import User
from domain.values import EmailAddress


class DirectoryFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which people; what is not given does not matter."""

    email: EmailAddress | None = None
    external_id: str | None = None
    q: str | None = None
    """The beginning of a name or an address."""
    country: str | None = None
    status: str | None = None
    created_after: datetime | None = None


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A point in a user's past: exactly one of these."""

    version: int | None = None
    position: int | None = None
    at: datetime | None = None


class UserAt(msgspec.Struct, frozen=True, kw_only=True):
    """A user as of a moment, and the last event that this state reflects."""

    user: User
    version: int
    position: int
    recorded_at: datetime


class Users(Protocol):
    """One user at a time, from the log itself: always current, or exactly as of a moment."""

    async def user(self, user_id: UUID) -> tuple[User | None, int]:
        """The user as of now, for reading only, and the log position that this reflects."""
        ...

    async def user_at(self, user_id: UUID, moment: Moment) -> UserAt | None:
        """The user as they were; None before they were registered, or for a version that was never reached."""
        ...

    async def diff(self, user_id: UUID, old: Moment, new: Moment) -> UserDiff | None:
        """What changed between two moments, the first of which may be before the user was registered (version 0).

        None if `user_at` is None for the second one, or for a version. Raises `DiffIsBackwardsError`.
        """
        ...


class Directory(Protocol):
    """All people."""

    async def page(self, wanted: DirectoryFilter, page: PageRequest) -> Page[UserEntry]:
        """People in the order of their ids.

        Raises `CursorInvalidError`, `PositionNotReachedError`, `PositionUnknownError` and `TooManyWaitingError`.
        """
        ...
