"""One attempt at a command, as far as it reads: the unit of work that its use case sees, without recording."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar, cast
from uuid import UUID

from application.commands import CommandContext
from domain import errors
from domain.kernel import Aggregate
from infrastructure.aggregates import Aggregates

AggregateT = TypeVar("AggregateT", bound=Aggregate)
PortT = TypeVar("PortT")
Ports = Mapping[type, object]
"""What a process has for the ports of its areas, by port."""


def port_of(ports: Ports, port: type[PortT]) -> PortT:
    """What there is for one of them."""
    return cast("PortT", ports[port])


class Attempt:
    """What one attempt has loaded. *Memory may only say yes* (`infrastructure/platform.py`)."""

    def __init__(self, aggregates: Aggregates, ports: Ports, context: CommandContext, *, fresh: bool) -> None:
        self.now = datetime.now(UTC)
        self.aggregates = aggregates
        self.context = context
        self._ports = ports
        self._fresh = fresh
        self._loaded: dict[UUID, Aggregate] = {}
        self._mirrors: dict[UUID, tuple[Aggregate, ...]] = {}
        self._from_memory: set[UUID] = set()

    @property
    def rests_on_memory(self) -> bool:
        """Whether anything of what was decided on may be behind the log."""
        return bool(self._from_memory)

    def using(self, port: type[PortT]) -> PortT:
        """What this process has for a port of the command's area."""
        return port_of(self._ports, port)

    async def target(self, kind: type[AggregateT], stream_id: UUID) -> AggregateT:
        """The aggregate that the command is about, in the version that its sender named, if they did."""
        target = await self.load(kind, stream_id)
        self.expect(target)
        return target

    async def load(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool = False) -> AggregateT:
        """An aggregate, to be changed; what is loaded twice is the same object."""
        loaded = self._loaded.get(stream_id)
        if isinstance(loaded, kind):
            return loaded
        found = await self._find(kind, stream_id, likely_new=likely_new)
        self._loaded[stream_id] = found
        return found

    async def _find(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool) -> AggregateT:
        known = None if self._fresh else self._known(kind, stream_id, likely_new=likely_new)
        if known is None:
            known = await self.aggregates.load(kind, stream_id)
        else:
            self._from_memory.add(stream_id)
        return known.twin()

    def _known(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool) -> AggregateT | None:
        """What is taken for the aggregate until the append finds out."""
        return self.aggregates.cache.get(kind, stream_id) or (kind.before_events(stream_id) if likely_new else None)

    def expect(self, target: Aggregate) -> None:
        """Raise `VersionIsStale` if the sender named another version of it."""
        expected = self.context.expected_version
        if expected is not None and expected != target.version:
            raise errors.VersionIsStale(target.id, expected, target.version)

    def mirror(self, leader: Aggregate, *others: Aggregate) -> None:
        """Whenever the leader is saved, have the same recorded about these others."""
        self._mirrors[leader.id] = others

    def mirrored(self, subject: Aggregate, *others: Aggregate) -> list[Aggregate]:
        """What is to be saved, each once, with what mirrors it."""
        aggregates = {aggregate.id: aggregate for aggregate in (subject, *others)}
        for leader in list(aggregates.values()):
            for other in self._mirrors.get(leader.id, ()) if leader.pending_events else ():
                other.repeat(leader.pending_events)
                aggregates[other.id] = other
        return list(aggregates.values())
