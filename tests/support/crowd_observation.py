"""What a crowd did on a log and saw there, and what of it breaks a promise."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

import msgspec

from tests.support.logs_under_test import Command, Entry


class WriterReport(msgspec.Struct):
    """What became of one writer's commands, and how often it lost its connection."""

    acknowledged: list[Command] = msgspec.field(default_factory=list)
    refused: list[Command] = msgspec.field(default_factory=list)
    lost_connections: int = 0


class Observation(msgspec.Struct, frozen=True):
    """The log as it is in the end, what each follower saw of it, and what the writers were told."""

    log: list[Entry]
    seen: list[list[Entry]]
    written: list[WriterReport]

    def violations(self) -> list[str]:
        """Every broken promise, as a sentence."""
        return [*self._gaps(), *self._skipped(), *self._disordered(), *self._miscounted(), *self._broken_streams()]

    def skipped(self) -> list[set[int]]:
        """For each follower, the positions in the log that it has never seen."""
        everything = {entry.position for entry in self.log}
        return [everything - {entry.position for entry in seen} for seen in self.seen]

    def acknowledged(self) -> list[Command]:
        """The commands that the writers believe to be in the log."""
        return [command for report in self.written for command in report.acknowledged]

    def refused(self) -> list[Command]:
        """The commands that the writers believe not to be in the log."""
        return [command for report in self.written for command in report.refused]

    def lost_connections(self) -> int:
        """How often writers lost their connections."""
        return sum(report.lost_connections for report in self.written)

    def _gaps(self) -> Iterator[str]:
        if [entry.position for entry in self.log] != list(range(1, len(self.log) + 1)):
            yield f"the positions are not 1 to {len(self.log)}"

    def _skipped(self) -> Iterator[str]:
        for follower, positions in enumerate(self.skipped()):
            if positions:
                yield f"follower {follower} never saw {sorted(positions)}"

    def _disordered(self) -> Iterator[str]:
        entries = set(self.log)
        for follower, seen in enumerate(self.seen):
            positions = [entry.position for entry in seen]
            if positions != sorted(set(positions)):
                yield f"follower {follower} saw something twice or too late"
            if not entries.issuperset(seen):
                yield f"follower {follower} saw what is not in the log"

    def _miscounted(self) -> Iterator[str]:
        found = Counter(entry.command_id for entry in self.log)
        expected = {command.id: command.size for command in self.acknowledged()}
        expected.update({command.id: 0 for command in self.refused()})
        for command_id in found.keys() | expected.keys():
            if found[command_id] != expected.get(command_id, 0):
                yield f"{found[command_id]} events of command {command_id} instead of {expected.get(command_id, 0)}"

    def _broken_streams(self) -> Iterator[str]:
        streams: defaultdict[UUID, list[int]] = defaultdict(list)
        for entry in self.log:
            streams[entry.stream_id].append(entry.version)
        for stream_id, versions in streams.items():
            if versions != list(range(1, len(versions) + 1)):
                yield f"stream {stream_id} has the versions {versions}"
