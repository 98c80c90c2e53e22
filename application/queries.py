"""What queries of all subjects have in common: pages, freshness, and the log itself.

Each answer states the log position that it reflects.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import msgspec

ItemT = TypeVar("ItemT")

PAGE_LIMIT = 200
"""The most items on one page."""


class CursorInvalidError(ValueError):
    """Not a cursor that this service gave out for this query."""


class PositionNotReachedError(Exception):
    """A read model has not come as far as the caller has already seen, within the time it may take."""


class PositionUnknownError(Exception):
    """A position that is waited for was never given out: the log has not come to it."""


class TooManyWaitingError(Exception):
    """No place is left for one more query that waits, or none for this reader."""


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
