"""Everything that one running process offers, assembled by the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from application.commands import CommandKeys, Commands
from application.queries import Log

PortT = TypeVar("PortT")
Ports = Mapping[type, object]
"""What a process has for the ports of its areas, by port."""


@dataclass(frozen=True, slots=True)
class Service:
    """The application's parts: what all areas share, and the ports of each."""

    commands: Commands
    command_keys: CommandKeys
    log: Log
    ports: Ports

    def using(self, port: type[PortT]) -> PortT:
        """What this process has for a port of an area."""
        return cast("PortT", self.ports[port])
