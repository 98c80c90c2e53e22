"""Carrying out commands: the port that callers see."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from application.actors import Metadata
from application.unit_of_work import Saved, UnitOfWork

CommandT = TypeVar("CommandT")
UseCase = Callable[[CommandT, UnitOfWork], Awaitable[Saved]]


class CommandKey(msgspec.Struct, frozen=True):
    """What makes two requests the same command; hashed, because clients put all sorts of things into keys."""

    key: bytes
    """Digest of the idempotency key and of who sent it."""
    fingerprint: bytes
    """Keyed digest of everything else about the request."""


class CommandContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a command comes with besides its content."""

    metadata: Metadata
    key: CommandKey | None = None
    expected_version: int | None = None
    """The version of the aggregate that the command is about, as the caller knew it (If-Match)."""


class Commands(Protocol):
    """The write side."""

    async def run(self, use_case: UseCase[CommandT], command: CommandT, context: CommandContext) -> Saved:
        """Carry out a command once, and return its result.

        Raises the use case's refusals, `IdempotencyKeyReusedError`, `WriteConflictError`, `HistoryUnreadableError` and
        `LogUnavailableError`.
        """
        ...


class CommandKeys(Protocol):
    """Makes command keys."""

    def make(self, sender: str, key: str, *request: bytes) -> CommandKey:
        """The key that a caller gave a request; `request` is everything that distinguishes it from other requests."""
        ...


class IdempotencyKeyReusedError(Exception):
    """The key was used before, by the same sender, for another command."""


class WriteConflictError(Exception):
    """Others have changed the same streams again and again; nothing was recorded."""


class LogUnavailableError(Exception):
    """The log cannot be reached, or too much waits for it; whether a command was recorded may be unknown."""
