"""Runs use cases against the log (docs/decisions/0002-write-path.md).

A command is tried first on what this process remembers. *Memory may only say yes*: a yes is checked by the version at
append; a refusal, or a "nothing to do", that rests on memory is asked again against the log before it is believed. A
version conflict runs the use case again, on fresh state; only a command that named the version it was decided on is
refused instead.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from application.commands import (
    CommandContext,
    CommandKey,
    CommandT,
    IdempotencyKeyReusedError,
    UseCase,
    WriteConflictError,
)
from application.turns import Turn, Turns
from application.unit_of_work import Saved
from application.unreadable import HistoryUnreadableError
from domain import errors
from domain.kernel import Aggregate, AggregateEvent
from domain.users import User
from infrastructure.aggregates import Aggregates
from infrastructure.append import Commit, Outcome, OutcomeKind
from infrastructure.attempt import Attempt, Ports, PortT, port_of
from infrastructure.command_keys import AnsweredCommands, answer_from, answer_to
from infrastructure.event_codec import form_of
from infrastructure.group_commit import GroupCommit
from infrastructure.privacy.key_cache import SubjectKeys
from infrastructure.privacy.key_encryption import KeyUnusableError
from infrastructure.privacy.subject_keys import PLATFORM, SubjectKey
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
        return port_of(self.ports, port)

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
        aggregates = self.mirrored(subject, *others)
        recorded = [aggregate.collect_events() for aggregate in aggregates]
        if self._from_memory and any(self._is_refusal(*each) for each in zip(aggregates, recorded, strict=True)):
            raise _OutdatedError
        events = [event for of_one in recorded for event in of_one]
        subject_key = await self._subject_key(events)
        outcome = await self._runner.commits.commit(
            Commit(
                metadata=self.context.metadata,
                key=self.context.key,
                events=events,
                result=answer_to(subject.id, subject.version),
                subject_key=subject_key,
            )
        )
        saved = _saved(aggregates, outcome)
        if outcome.kind is OutcomeKind.APPENDED:
            self._runner.aggregates.remember(aggregates, saved.recorded_at)
            if subject_key is not None:
                self._runner.keys.remember(subject_key.subject_id, subject_key.cipher)
        return saved

    def _is_refusal(self, aggregate: Aggregate, recorded: Sequence[AggregateEvent]) -> bool:
        """Whether there is nothing to do about one of them: a no, which memory may not say."""
        return not recorded and aggregate.id in self._from_memory

    async def _subject_key(self, events: Sequence[AggregateEvent]) -> SubjectKey | None:
        """What seals what is personal about a command: the key of the one person it is about."""
        if not events:
            return None
        keys = self._runner.keys
        if isinstance(events[0], User.Registered):
            return keys.new(events[0].originator_id)
        # Why somebody was erased must still be readable when nothing else is.
        is_erasure = any(isinstance(event, User.Erased) for event in events)
        subject_id = PLATFORM if is_erasure else _subject_of(events[0])
        try:
            key = await keys.to_seal(subject_id)
        except KeyUnusableError as error:
            if self.context.metadata.reason is None and not any(form_of(event).personal for event in events):
                return None
            # What was decided on was remembered from before the damage.
            self._runner.aggregates.cache.forget(subject_id)
            version = events[0].originator_version
            raise HistoryUnreadableError(events[0].originator_id, version, type(error).__name__) from error
        if key is None:
            raise _OutdatedError
        return key


def _subject_of(event: AggregateEvent) -> UUID:
    """Whom a fact is about: the user whose it is, or the one that it names."""
    subject_id: UUID = getattr(event, "user_id", event.originator_id)
    return subject_id


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
