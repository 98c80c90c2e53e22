"""One attempt at a command, as far as it reads: the unit of work that its use case sees, without recording."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar, cast
from uuid import UUID

from application.commands import CommandContext
from application.ports import Ports, PortT
from domain import errors
from domain.kernel import Aggregate
from infrastructure.commands.aggregates import Aggregates

AggregateT = TypeVar("AggregateT", bound=Aggregate)


class Attempt:
    """What one attempt has loaded. *Memory may only say yes* (`infrastructure/commands/runner.py`)."""

    def __init__(self, aggregates: Aggregates, ports: Ports, context: CommandContext, *, fresh: bool) -> None:
        self.now = datetime.now(UTC)
        self.aggregates = aggregates
        self.context = context
        self._ports = ports
        self._fresh = fresh
        # Few of each, in lists: an id is compared by identity first, and hashed in Python.
        self._loaded: list[Aggregate] = []
        self._mirrors: list[tuple[Aggregate, tuple[Aggregate, ...]]] = []
        self._from_memory: list[UUID] = []

    @property
    def rests_on_memory(self) -> bool:
        """Whether anything of what was decided on may be behind the log."""
        return bool(self._from_memory)

    def using(self, port: type[PortT]) -> PortT:
        """What this process has for a port of the command's area."""
        return cast("PortT", self._ports[port])

    async def target(self, kind: type[AggregateT], stream_id: UUID) -> AggregateT:
        """The aggregate that the command is about, in the version that its sender named, if they did."""
        target = await self.load(kind, stream_id)
        self.expect(target)
        return target

    async def load(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool = False) -> AggregateT:
        """An aggregate, to be changed; what is loaded twice is the same object."""
        for loaded in self._loaded:
            if (loaded.id is stream_id or loaded.id == stream_id) and isinstance(loaded, kind):
                return loaded
        found = None if self._fresh else self._known(kind, stream_id, likely_new=likely_new)
        if found is None:
            found = await self.aggregates.load(kind, stream_id)
        else:
            self._from_memory.append(stream_id)
        if kind.REMEMBERED:
            found = found.twin()
        self._loaded.append(found)
        return found

    def _known(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool) -> AggregateT | None:
        """What is taken for the aggregate until the append finds out."""
        kept = self.aggregates.cache.get(kind, stream_id) if kind.REMEMBERED else None
        return kind.before_events(stream_id) if kept is None and likely_new else kept

    def expect(self, target: Aggregate) -> None:
        """Raise `VersionIsStale` if the sender named another version of it."""
        expected = self.context.expected_version
        if expected is not None and expected != target.version:
            raise errors.VersionIsStale(target.id, expected, target.version)

    def mirror(self, leader: Aggregate, *others: Aggregate) -> None:
        """Whenever the leader is saved, have the same recorded about these others."""
        if all(known is not leader for known, _ in self._mirrors):
            self._mirrors.append((leader, others))

    def mirrored(self, aggregates: Sequence[Aggregate]) -> list[Aggregate]:
        """What is to be saved, each once, with what mirrors it."""
        each = {id(aggregate): aggregate for aggregate in aggregates}
        for leader, others in self._mirrors:
            if id(leader) in each and leader.pending_events:
                for other in others:
                    other.repeat(leader.pending_events)
                    each[id(other)] = other
        return list(each.values())
