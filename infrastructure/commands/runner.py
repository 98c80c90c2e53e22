"""Runs use cases against the log (docs/decisions/0002-write-path.md).

A command is tried first on what this process remembers. *Memory may only say yes*: a yes is checked by the version at
append; a refusal, or a "nothing to do", that rests on memory is asked again against the log before it is believed. A
version conflict runs the use case again, on fresh state; only a command that named the version it was decided on is
refused instead.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

from application.commands import (
    CommandContext,
    CommandKey,
    CommandT,
    IdempotencyKeyReusedError,
    UseCase,
    WriteConflictError,
)
from application.ports import Ports, PortT
from application.turns import Turn, Turns
from application.unit_of_work import Saved
from application.unreadable import HistoryUnreadableError
from domain import errors
from domain.kernel import Aggregate, AggregateEvent
from infrastructure.commands.aggregates import Aggregates
from infrastructure.commands.attempt import Attempt
from infrastructure.commands.idempotency_keys import AnsweredCommands, answer_from, answer_to
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.key_encryption import KeyUnusableError
from infrastructure.log.append import Commit, Outcome, OutcomeKind
from infrastructure.log.commit_keys import NO_KEYS, CommitKeys, PersonForgottenError, keys_for
from infrastructure.log.event_codec import form_of
from infrastructure.log.group_commit import GroupCommit
from infrastructure.settings import Settings

ATTEMPTS = 20
"""How often a command is tried while others keep changing the same streams."""


class CommandRunner:
    """The write side of one process."""

    def __init__(
        self,
        aggregates: Aggregates,
        commits: GroupCommit,
        answered: AnsweredCommands,
        keys: SubjectKeys,
        ports: Ports,
    ) -> None:
        self.aggregates = aggregates
        self.commits = commits
        self.answered = answered
        self.keys = keys
        self.ports = ports
        self._turns = Turns()

    def using(self, port: type[PortT]) -> PortT:
        """What this process has for a port."""
        return cast("PortT", self.ports[port])

    async def run(self, use_case: UseCase[CommandT], command: CommandT, context: CommandContext) -> Saved:
        """Carry out a command once, and return its result.

        Raises the use case's refusals, `IdempotencyKeyReusedError`, `WriteConflictError`, `HistoryUnreadableError` and
        `LogUnavailableError`.
        """
        turn: Turn | None = None
        try:
            for number in range(ATTEMPTS):
                attempt = RecordingAttempt(self, context, fresh=number > 0)
                try:
                    return await use_case(command, attempt)
                except _OutdatedError as error:
                    if turn is None and error.lost:
                        # Those of this process who lost do not race each other again, but go one after another.
                        turn = self._turns.take(*error.lost)
                        await turn.come()
                except (errors.DomainError, HistoryUnreadableError):
                    if attempt.rests_on_memory:
                        continue
                    answer = await self._earlier_answer(context.key)
                    if answer is None:
                        raise
                    return answer
            raise WriteConflictError
        finally:
            if turn is not None:
                turn.end()

    async def _earlier_answer(self, key: CommandKey | None) -> Saved | None:
        """The answer to this very command, if what refuses it now is that it was carried out already."""
        return await self.answered.find(key) if key else None


OpenCommands = Callable[[Settings, str], AbstractAsyncContextManager[CommandRunner]]
"""Opens the write side alone, on a migrated database, for a process that has some commands to carry out."""


class RecordingAttempt(Attempt):
    """One attempt at a command: the `UnitOfWork` that its use case sees."""

    def __init__(self, runner: CommandRunner, context: CommandContext, *, fresh: bool) -> None:
        super().__init__(runner.aggregates, runner.ports, context, fresh=fresh)
        self._runner = runner

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new about these aggregates; about those from memory, there must be something new."""
        aggregates = self.mirrored((subject, *others))
        recorded = [aggregate.collect_events() for aggregate in aggregates]
        if self._from_memory and any(self._is_refusal(*each) for each in zip(aggregates, recorded, strict=True)):
            raise _OutdatedError
        events = [event for of_one in recorded for event in of_one]
        keys = await self._keys(events)
        outcome = await self._runner.commits.commit(
            Commit(
                metadata=self.context.metadata,
                key=self.context.key,
                events=events,
                result=answer_to(subject.id, subject.version),
                keys=keys,
            )
        )
        saved = _saved(aggregates, outcome)
        if outcome.kind is OutcomeKind.APPENDED:
            self._runner.aggregates.remember(aggregates, saved.recorded_at)
            for key in keys.keys:
                self._runner.keys.remember(key.subject_id, key.cipher)
        return saved

    def _is_refusal(self, aggregate: Aggregate, recorded: Sequence[AggregateEvent]) -> bool:
        """Whether there is nothing to do about one of them: a no, which memory may not say."""
        return not recorded and aggregate.id in self._from_memory

    async def _keys(self, events: Sequence[AggregateEvent]) -> CommitKeys:
        """What seals what is personal about a command, and why it was done."""
        if not events:
            return NO_KEYS
        try:
            return await keys_for(events, self._runner.keys)
        except PersonForgottenError:
            raise _OutdatedError from None
        except KeyUnusableError as error:
            if self.context.metadata.reason is None and not any(form_of(event).personal for event in events):
                return NO_KEYS
            # What was decided on was remembered from before the damage.
            for event in events:
                self.aggregates.cache.forget(event.originator_id)
            version = events[0].originator_version
            raise HistoryUnreadableError(events[0].originator_id, version, type(error).__name__) from error


class _OutdatedError(Exception):
    """What the attempt rested on is not so (any more): try again, on fresh state."""

    def __init__(self, lost: Sequence[str] = ()) -> None:
        super().__init__(lost)
        self.lost = lost
        """The streams for one of which somebody else was faster, if that is why."""


def _saved(aggregates: Sequence[Aggregate], outcome: Outcome) -> Saved:
    subject = aggregates[0]
    if outcome.kind is OutcomeKind.KEY_REUSED:
        raise IdempotencyKeyReusedError
    if outcome.kind is OutcomeKind.CONFLICT or outcome.position is None or outcome.recorded_at is None:
        raise _OutdatedError([aggregate.id.hex for aggregate in aggregates])
    if outcome.kind is OutcomeKind.KNOWN:
        return answer_from(outcome.result or b"", outcome.position, outcome.recorded_at)
    return Saved(subject.id, subject.version, outcome.position, outcome.recorded_at)
