"""Access tokens: what their bearer may be taken for."""

from typing import Protocol
from uuid import UUID

import msgspec

from application.actors import Actor, Role


class TokenRefusedError(Exception):
    """The token proves nothing. Says why in words that hold nothing of the token."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a token that was verified stands for."""

    role: Role
    """Permissions hang on it."""
    subject: str
    """Whom the token is about; for the role `user`, the id of their account in canonical form."""
    actor: Actor
    """Who goes on record: the subject, or somebody who acts on their behalf (RFC 8693)."""

    @property
    def is_person(self) -> bool:
        """Whether it is a person's own permission that is used, whoever acts: answers are what a person may see."""
        return self.role is Role.USER

    def is_own(self, user_id: str) -> bool:
        """Whether a text is the id of the subject's own account."""
        return self.role is Role.USER and user_id.lower() == self.subject


class AccessTokens(Protocol):
    """Verifies access tokens."""

    def verify(self, token: str) -> Access:
        """What the token stands for, now. Raises `TokenRefusedError`."""
        ...


def canonical_user_id(text: str) -> str:
    """A user's id in the one form in which ids are compared. Raises `ValueError`."""
    return str(UUID(text))
