"""Access tokens: what their bearer may be taken for."""

from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from application.actors import Actor, Role


class TokenFault(StrEnum):
    """What is wrong with a token; for operators, not for the caller."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    """It has another type, or an algorithm that is not supported or not that of its key."""
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    CLAIMS = "claims"
    """One that is needed is missing, or has not its form."""
    ROLE = "role"
    """It is not for tokens."""
    SUBJECT = "subject"
    """It is not the id of an account, and the role is `user`."""


class KeysFault(StrEnum):
    """Why tokens cannot be verified, or soon cannot be."""

    MISSING = "missing"
    """There is no file with keys."""
    UNREADABLE = "unreadable"
    """The file cannot be read or is not a JWKS; its previous keys are trusted for a while."""
    EMPTY = "empty"
    """The file has no key that tokens may be signed with."""


class TokenRefusedError(Exception):
    """The token proves nothing. Says why in a code that holds nothing of the token."""

    def __init__(self, fault: TokenFault = TokenFault.MALFORMED) -> None:
        super().__init__(fault.value)
        self.fault = fault


class NoTokenKeysError(Exception):
    """There is no key to verify tokens with, so nobody can say whether a token is valid."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a token that was verified stands for."""

    role: Role
    """Permissions hang on it."""
    subject: str
    """Whom the token is about; for the role `user`, the id of their account in canonical form."""
    actor: Actor
    """The recorded actor: the subject, or somebody who acts on their behalf (RFC 8693)."""

    @property
    def is_delegated(self) -> bool:
        """Whether somebody else uses the permission of the subject."""
        return self.actor.on_behalf_of is not None

    @property
    def is_person(self) -> bool:
        """Whether the permission is that of a person, whoever acts: answers then show what people may see."""
        return self.role is Role.USER

    def is_own(self, user_id: str) -> bool:
        """Whether a text is the id of the subject's own account."""
        return self.role is Role.USER and user_id.lower() == self.subject


class AccessTokens(Protocol):
    """Verifies access tokens."""

    def verify(self, token: str) -> Access:
        """What the token stands for, now. Raises `TokenRefusedError` and `NoTokenKeysError`."""
        ...

    def fault(self) -> KeysFault | None:
        """What is wrong with the keys that tokens are verified with, now."""
        ...


def canonical_user_id(text: str) -> str:
    """A user's id in the one form in which ids are compared. Raises `ValueError`."""
    return str(UUID(text))
