"""The parts of one process that the ports of areas are made of."""

from dataclasses import dataclass

from application.queries import Log
from infrastructure.commands.aggregates import Aggregates
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.queries.cursors import Cursors
from infrastructure.queries.read_model import Lists, Pool
from infrastructure.secrets.keyring import Keyring
from infrastructure.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The engine, as areas find it."""

    settings: Settings
    keyring: Keyring
    pool: Pool
    """For reads that come from the log itself."""
    lists: Lists
    """For reads of read models."""
    keys: SubjectKeys
    aggregates: Aggregates
    log: Log

    @property
    def cursors(self) -> Cursors:
        """What marks the pages of lists."""
        return Cursors(self.keyring.derive("cursors"))
