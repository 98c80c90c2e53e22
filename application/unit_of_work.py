"""A command's unit of work: load aggregates, decide at one instant, record what is new about them, all or nothing."""

from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec

from domain.kernel import Aggregate

AggregateT = TypeVar("AggregateT", bound=Aggregate)
PortT = TypeVar("PortT")


class Saved(msgspec.Struct, frozen=True):
    """The result of a command: the aggregate's new version, and the log position that includes the change."""

    aggregate_id: UUID
    version: int
    position: int
    recorded_at: datetime


class UnitOfWork(Protocol):
    """One command's view of the platform. Whatever is loaded twice is the same object."""

    now: datetime

    def using(self, port: type[PortT]) -> PortT:
        """What this process has for a port of the command's area."""
        ...

    async def target(self, kind: type[AggregateT], stream_id: UUID) -> AggregateT:
        """The aggregate that the command is about, and whose version its sender may have named.

        Raises what `load` does, and `VersionIsStale` if the sender named another version.
        """
        ...

    async def load(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool = False) -> AggregateT:
        """An aggregate as of now; one without events if its kind is not created by its first event.

        One that is `likely_new` may at first be taken for one without events, and the use case be run again if that was
        wrong. How long a command takes then tells whether it was.

        Raises the kind's `NOT_FOUND`, and `HistoryUnreadableError`.
        """
        ...

    def expect(self, target: Aggregate) -> None:
        """Raise `VersionIsStale` if the sender named another version of it; for what was found in another way."""
        ...

    def mirror(self, leader: Aggregate, *others: Aggregate) -> None:
        """Whenever the leader is saved, have the same recorded about these others."""
        ...

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new about these aggregates: all of it, or nothing."""
        ...
