"""Tries an import out: everything is decided as it would be, by the state of the log, and nothing is recorded."""

from application.commands import CommandContext, CommandKey, CommandT, UseCase
from application.ports import Ports
from application.unit_of_work import Saved
from domain import errors
from domain.kernel import Aggregate
from infrastructure.commands.aggregates import Aggregates
from infrastructure.commands.attempt import Attempt
from infrastructure.commands.idempotency_keys import AnsweredCommands


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
