"""The port of what is known of users whose history cannot be read (docs/decisions/0037-unreadable-histories.md)."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.users import User


class UnreadUsers(Protocol):
    """Users as far as they are known without reading their events."""

    async def user(self, user_id: UUID) -> User:
        """The user with this id. Raises `UserNotFound`."""
        ...

    async def claims_naming(self, user_id: UUID) -> Sequence[UUID]:
        """The ids of all claims that were ever this user's."""
        ...
