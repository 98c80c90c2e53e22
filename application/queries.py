"""The queries, as callers see them; each answer states the log position that it reflects."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from application.history.timeline import TimelineEntry
from application.record_filters import ActorName, Topic
from application.users.diff import UserDiff
from application.users.directory import UserEntry
from domain.users import User
from domain.values import EmailAddress

ItemT = TypeVar("ItemT")

PAGE_LIMIT = 200
"""The most items on one page."""
LETTERS_LIMIT = 200
"""The maximum number of letters in one answer; no model has as many open ones."""


class CursorInvalidError(ValueError):
    """Not a cursor that this service gave out for this query."""


class PositionNotReachedError(Exception):
    """A read model has not come as far as the caller has already seen, within the time it may take."""


class PositionUnknownError(Exception):
    """A position that is waited for was never given out: the log has not come to it."""


class TooManyWaitingError(Exception):
    """No place is left for one more query that waits, or none for this reader."""


class LetterIsSettledError(Exception):
    """The letter's event was folded, left out, or overtaken by a rebuild meanwhile."""


class Page(msgspec.Struct, Generic[ItemT], frozen=True, kw_only=True):
    """Some of the items, and where to go on."""

    items: Sequence[ItemT]
    next_cursor: str | None
    position: int
    """The log position that the page reflects."""


class Freshness(msgspec.Struct, frozen=True):
    """How much of the log an answer must reflect."""

    position: int = 0
    """The log up to here (Min-Log-Position)."""
    reader: str | None = None
    """Who waits for that; the number of waiting requests per reader is limited."""
    best_effort: bool = False
    """Whether to answer with older rows when the waiting time ends."""


AS_IT_IS = Freshness()
"""Nothing is waited for."""


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which page, and how fresh."""

    limit: int = 50
    cursor: str | None = None
    min_position: int = 0
    """The page must reflect the log up to here (Min-Log-Position)."""
    reader: str | None = None
    """Who waits for that."""
    best_effort: bool = False
    """Whether to answer with an older page when the waiting time ends."""

    @property
    def freshness(self) -> Freshness:
        """How much of the log the page must reflect."""
        return Freshness(self.min_position, self.reader, self.best_effort)


class DirectoryFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which people; what is not given does not matter."""

    email: EmailAddress | None = None
    external_id: str | None = None
    q: str | None = None
    """The beginning of a name or an address."""
    country: str | None = None
    status: str | None = None
    created_after: datetime | None = None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Filters for events; None matches everything."""

    actor: ActorName | None = None
    user_id: UUID | None = None
    topic: Topic | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None
    """Exclusive."""
    command_id: UUID | None = None
    correlation_id: UUID | None = None


class Findings(msgspec.Struct, Generic[ItemT], frozen=True):
    """All items that a query finds as of a position of the log, some at a time."""

    position: int
    batches: AsyncIterator[Sequence[ItemT]]


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


class TimelineItem(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a timeline, with its content as stored in the log; None if that cannot be read."""

    entry: TimelineEntry
    data: dict[str, Any] | None


class ErasureReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure: when, by which event, by whom and why."""

    user_id: UUID
    position: int
    recorded_at: datetime
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None
    swept_at: datetime | None
    """When nothing was left of the person in what is kept beside the log."""


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


class Timeline(Protocol):
    """All that was done to people's accounts."""

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[TimelineItem]:
        """One account's events with their content, oldest first. Raises like `Directory.page`."""
        ...

    async def search(self, wanted: AuditFilter, page: PageRequest) -> Page[TimelineEntry]:
        """Events in the order of the log. Raises like `Directory.page`."""
        ...

    async def all_of(self, wanted: AuditFilter, freshness: Freshness = AS_IT_IS) -> Findings[TimelineEntry]:
        """All events up to the head, in the order of the log. Raises like `Directory.page`."""
        ...


class Erasures(Protocol):
    """Who was erased."""

    async def receipt(self, user_id: UUID) -> ErasureReceipt | None:
        """The receipt for a user who was erased."""
        ...


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


class LogFault(StrEnum):
    """Why nothing can be appended to the log."""

    READ_ONLY = "read_only"
    """The database takes no changes: it was set so, or it is a standby."""
    APPENDS_FAIL = "appends_fail"
    """It can be reached, but what is appended is refused, as on a full disk."""


class Log(Protocol):
    """The log as a whole."""

    async def fault(self) -> LogFault | None:
        """Why nothing can be appended, None if all is well; as of a second ago at most. Raises as `head` does."""
        ...

    async def head(self) -> int:
        """The last position that was given out. Raises `OSError` or the driver's error if it cannot be reached."""
        ...

    async def head_octets(self) -> int:
        """The size of what says where the log ends: it grows while somebody looks at the log as it was long ago."""
        ...
