"""What operators can ask about read models and mails, and have done about them."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

LETTERS_LIMIT = 200
"""The maximum number of letters in one answer; no model has as many open ones."""


class LetterIsSettledError(Exception):
    """The letter's event was folded, left out, or overtaken by a rebuild meanwhile."""


class ProjectionFault(StrEnum):
    """What kind of thing is wrong with a read model."""

    NEVER_FOLLOWED = "never_followed"
    STOPPED = "stopped"
    LETTER_OPEN = "letter_open"
    ROWS_DIFFER = "rows_differ"
    UPGRADE_FAILED = "upgrade_failed"
    REBUILD_STALLED = "rebuild_stalled"


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a read model stands."""

    name: str
    version: int
    generation: int
    position: int
    head: int
    lag_events: int
    lag_seconds: float
    """How long ago the oldest event that is not folded in yet was recorded; 0 if there is none."""
    events_per_second: float
    """How fast it went through the log lately, events that do not concern it included."""
    healthy: bool
    failure: str | None
    """Why it is not healthy: positions and kinds of error, or which row is wrong, and no data. For those only who may
    see whose row it is."""
    fault: ProjectionFault | None
    """The same as a code, for everybody."""
    letters: int
    """Events that it could not fold; each holds back its own stream."""
    verified_at: datetime | None
    """When some or all of its rows were last checked against the log."""
    rows: int
    """As estimated by the database."""
    size_bytes: int


class RebuildStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a rebuild goes."""

    id: UUID
    name: str
    state: str
    phase: str | None
    events_done: int
    events_total: int
    remaining_seconds: float | None
    """About how long the events that are left will take; not known at the beginning and after the filling."""
    waiting_for: str | None
    """The lock that it waits for and who holds it."""
    stalled_seconds: float | None
    """For how long it has stood still, if that is longer than a minute."""
    rows_written: int
    generation: int | None
    is_rollback: bool
    requested_by: str | None
    requested_at: datetime
    finished_at: datetime | None
    failure: str | None


class LetterStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event that a read model could not fold, and what became of it."""

    id: UUID
    name: str
    generation: int
    position: int
    stream_id: UUID
    topic: str
    error: str
    """The kind of error; nothing of what the event says."""
    state: str
    """`open`: its stream is held. `blocking`: the rows contain it, but no rebuild gets past it. `retried`, `resolved`
    (left out for good), `superseded` (by a rebuild)."""
    opened_at: datetime
    attempted_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None
    wish: str | None
    """`retry` or `resolve`, if a worker was asked to and has not come to it yet."""


class Projections(Protocol):
    """The read models themselves."""

    async def statuses(self) -> list[ProjectionStatus]:
        """Each read model's standing."""
        ...

    async def request_rebuild(self, name: str, requested_by: str) -> UUID:
        """Have a model rebuilt by a worker; joins a rebuild that is requested or running. Raises `LookupError`."""
        ...

    async def rebuild(self, rebuild_id: UUID) -> RebuildStatus | None:
        """How a rebuild goes."""
        ...

    async def letters(self, name: str | None = None) -> list[LetterStatus]:
        """The letters of one model or of all: open ones first, then the newest. Raises `LookupError`."""
        ...

    async def letter(self, name: str, letter_id: UUID) -> LetterStatus:
        """One letter of a model. Raises `LookupError`."""
        ...

    async def ask_to_settle(self, name: str, letter_id: UUID, by: str, reason: str | None) -> LetterStatus:
        """Have a worker retry a letter, or, with a reason, leave its event out for good.

        Raises `LookupError`, and `LetterIsSettledError` if there is nothing to do about it any more.
        """
        ...


class UndeliveredMails(msgspec.Struct, frozen=True):
    """How many mails are put aside."""

    refused: int
    """For good: mail servers will not take them."""
    waiting: int
    """To be tried again."""


class Mails(Protocol):
    """The mails that events cause."""

    async def undelivered(self) -> UndeliveredMails:
        """How many could not be delivered (yet)."""
        ...
