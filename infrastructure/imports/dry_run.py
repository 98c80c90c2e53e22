"""Tries an import out: everything is decided as it would be, by the state of the log, and nothing is recorded."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from application.commands import CommandContext, CommandKey, CommandKeys, CommandT, UseCase
from application.ports import Ports
from application.unit_of_work import Saved
from domain import errors
from domain.kernel import Aggregate
from infrastructure.commands.aggregates import Aggregates
from infrastructure.commands.attempt import Attempt
from infrastructure.commands.idempotency_keys import AnsweredCommands, KeyedCommandKeys
from infrastructure.encryption.opening import opened_keys
from infrastructure.log.append_trial import fault_of_log
from infrastructure.log.log_queries import LogQueries
from infrastructure.log.stream_loader import StreamLoader
from infrastructure.parts import Parts
from infrastructure.postgres.connections import as_app, reading_pool
from infrastructure.queries.read_model import Lists
from infrastructure.secrets.keyring import load_keyring
from infrastructure.settings import Settings
from infrastructure.users.claims.key_in_force import require_claims_key
from infrastructure.users.stand_ins import stand_ins

CONNECTIONS = 4


class TrialCommands:
    """The write side, without writing."""

    def __init__(self, aggregates: Aggregates, answered: AnsweredCommands, ports: Ports) -> None:
        self.aggregates = aggregates
        self.ports = ports
        self._answered = answered

    async def run(self, use_case: UseCase[CommandT], command: CommandT, context: CommandContext) -> Saved:
        """Say what the command would come to. Raises as the command would."""
        try:
            return await use_case(command, _Trial(self, context))
        except errors.DomainError:
            answer = await self.earlier_answer(context.key)
            if answer is None:
                raise
            return answer

    async def earlier_answer(self, key: CommandKey | None) -> Saved | None:
        """The result of the command, if it was carried out before."""
        return await self._answered.find(key) if key else None


class _Trial(Attempt):
    """One command's unit of work; it ends without an append, so nothing is taken for granted."""

    def __init__(self, commands: TrialCommands, context: CommandContext) -> None:
        super().__init__(commands.aggregates, commands.ports, context, fresh=True)
        self._commands = commands

    async def save(self, subject: Aggregate, *_: Aggregate) -> Saved:
        """What the command would come to."""
        answer = await self._commands.earlier_answer(self.context.key)
        return answer or Saved(subject.id, subject.version, 0, self.now)


@asynccontextmanager
async def open_trial(
    settings: Settings, conninfo: str, area_ports: Callable[[Parts], Ports]
) -> AsyncIterator[tuple[TrialCommands, CommandKeys]]:
    """What an import needs, for trying it out."""
    keyring = load_keyring(settings.keys, production=settings.production)
    async with reading_pool(as_app(conninfo), CONNECTIONS) as pool:
        keys = await opened_keys(settings, pool)
        await require_claims_key(pool, keyring)
        parts = Parts(
            settings=settings,
            keyring=keyring,
            pool=pool,
            lists=Lists(pool, settings.wait_seconds),
            keys=keys,
            aggregates=Aggregates(StreamLoader(pool, keys), stand_ins=stand_ins(pool)),
            log=LogQueries(pool, partial(fault_of_log, conninfo)),
        )
        commands = TrialCommands(parts.aggregates, AnsweredCommands(pool), area_ports(parts))
        yield commands, KeyedCommandKeys(keyring.derive("commands"))
