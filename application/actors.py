"""Who asks for something, in which role, through which client; recorded with every event."""

from enum import StrEnum
from uuid import UUID

import msgspec


class Role(StrEnum):
    """What an actor is to the platform; permissions hang on it."""

    ADMIN = "admin"
    SUPPORT = "support"
    AUDITOR = "auditor"
    SERVICE = "service"
    USER = "user"
    SYSTEM = "system"
    """The platform itself: command line, workers."""


class Actor(msgspec.Struct, frozen=True):
    """Somebody, or some program, with a role."""

    role: Role
    id: str
    client: str | None = None
    on_behalf_of: str | None = None

    def __str__(self) -> str:
        return f"{self.role}:{self.id}"

    def is_user(self, user_id: UUID) -> bool:
        """Whether this is the person whose account has that id."""
        return self.role is Role.USER and self.id == str(user_id)


IMPORTER = Actor(role=Role.SYSTEM, id="import")
"""The import of people from another system."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded with every event of a command, besides the event itself."""

    command_id: UUID
    actor: Actor
    reason: str | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    trace_id: bytes | None = None
    """W3C trace id, 16 octets."""
