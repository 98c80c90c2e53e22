"""Runs use cases against the log (docs/decisions/0002-write-path.md).

A command is tried first on what this process remembers. *Memory may only say yes*: a yes is checked by the version at
append; a refusal, or a "nothing to do", that rests on memory is asked again against the log before it is believed. A
version conflict runs the use case again, on fresh state; only a command that named the version it was decided on is
refused instead.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from application.commands import (
    CommandContext,
    CommandKey,
    CommandT,
    IdempotencyKeyReusedError,
    UseCase,
    WriteConflictError,
)
from application.platform import EmailTokens, Policy, Saved
from application.turns import Turn, Turns
from application.unreadable import HistoryUnreadableError
from domain import errors
from domain.email_claims import EmailClaim
from domain.kernel import Aggregate, AggregateEvent
from domain.users import User
from domain.values import EmailAddress
from infrastructure.aggregates import Aggregates
from infrastructure.append import Commit, Outcome, OutcomeKind
from infrastructure.command_keys import AnsweredCommands, answer_from, answer_to
from infrastructure.event_codec import form_of
from infrastructure.group_commit import GroupCommit
from infrastructure.keyring import ClaimIds
from infrastructure.privacy.key_cache import SubjectKeys
from infrastructure.privacy.key_encryption import KeyUnusableError
from infrastructure.privacy.subject_keys import PLATFORM, SubjectKey

ATTEMPTS = 20
"""How often a command is tried while others keep changing the same streams."""

log = structlog.get_logger(__name__)


class CommandPlatform:
    """The write side of one process."""

    def __init__(
        self,
        aggregates: Aggregates,
        commits: GroupCommit,
        answered: AnsweredCommands,
        claim_ids: ClaimIds,
        email_tokens: EmailTokens,
        policy: Policy,
        keys: SubjectKeys,
        begin: "BeginAttempt",
    ) -> None:
        self.keys = keys
        self.aggregates = aggregates
        self.commits = commits
        self.answered = answered
        self.claim_ids = claim_ids
        self.email_tokens = email_tokens
        self.policy = policy
        self._begin = begin
        self._turns = Turns()

    async def run(self, use_case: UseCase[CommandT], command: CommandT, context: CommandContext) -> Saved:
        """Carry out a command once, and return its result.

        Raises the use case's refusals, `IdempotencyKeyReusedError`, `WriteConflictError`, `HistoryUnreadableError` and
        `LogUnavailableError`.
        """
        turn: Turn | None = None
        try:
            for number in range(ATTEMPTS):
                attempt = self._begin(self, context, fresh=number > 0)
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


class Attempt:
    """One attempt at a command: the `Platform` that its use case sees."""

    def __init__(self, platform: CommandPlatform, context: CommandContext, *, fresh: bool) -> None:
        self.now = datetime.now(UTC)
        self.policy = platform.policy
        self.email_tokens = platform.email_tokens
        self._platform = platform
        self._context = context
        self._fresh = fresh
        self._claims: dict[UUID, EmailClaim] = {}
        self._from_memory: set[UUID] = set()

    @property
    def rests_on_memory(self) -> bool:
        """Whether anything of what was decided on may be behind the log."""
        return bool(self._from_memory)

    async def user(self, user_id: UUID) -> User:
        """The user with this id, to be changed."""
        return self._expected(await self._find_user(user_id)).twin()

    def _expected(self, user: User | None) -> User:
        """A user who was found, if they are there and as the command expects them."""
        if user is None:
            raise errors.UserNotFound
        expected = self._context.expected_version
        if expected is not None and expected != user.version:
            raise errors.VersionIsStale(user.id, expected, user.version)
        return user

    async def _find_user(self, user_id: UUID) -> User | None:
        kept = None if self._fresh else self._platform.aggregates.cache.get(user_id)
        if kept is not None:
            self._from_memory.add(user_id)
            return kept
        user, _ = await self._platform.aggregates.user(user_id)
        return user

    async def unread_user(self, user_id: UUID) -> User:
        """The user with this id as far as that is known without reading anything."""
        user, _ = await self._platform.aggregates.unread.user(user_id)
        return self._expected(user)

    async def claims_naming(self, user_id: UUID) -> Sequence[EmailClaim]:
        """The claims that were ever this user's; those that cannot be read stay as they are."""
        claims = []
        for claim_id in await self._platform.aggregates.unread.claims_naming(user_id):
            try:
                claims.append(await self._platform.aggregates.email_claim(claim_id))
            except HistoryUnreadableError as error:
                log.warning("email_claim.unreadable", stream=str(claim_id), version=error.version, error=error.kind)
        return claims

    async def email_claim(self, address: EmailAddress, *, as_if_vacant: bool = False) -> EmailClaim:
        """The right to this address; the same object for each spelling of it."""
        claim_id = self._platform.claim_ids.of(address)
        if claim_id not in self._claims:
            self._claims[claim_id] = await self._find_claim(claim_id, as_if_vacant=as_if_vacant)
        return self._claims[claim_id]

    async def _find_claim(self, claim_id: UUID, *, as_if_vacant: bool) -> EmailClaim:
        if self._fresh or not as_if_vacant:
            return await self._platform.aggregates.email_claim(claim_id)
        # Most addresses that are asked for were never claimed: guess so, and let the append find out.
        self._from_memory.add(claim_id)
        return EmailClaim.vacant(claim_id)

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        """Record what is new about these aggregates; about those from memory, there must be something new."""
        aggregates = list({id(aggregate): aggregate for aggregate in (subject, *others)}.values())
        recorded = [aggregate.collect_events() for aggregate in aggregates]
        if self._from_memory and any(self._is_refusal(*each) for each in zip(aggregates, recorded, strict=True)):
            raise _OutdatedError
        events = [event for of_one in recorded for event in of_one]
        subject_key = await self._subject_key(events)
        outcome = await self._platform.commits.commit(
            Commit(
                metadata=self._context.metadata,
                key=self._context.key,
                events=events,
                result=answer_to(subject.id, subject.version),
                subject_key=subject_key,
            )
        )
        saved = _saved(aggregates, outcome)
        if outcome.kind is OutcomeKind.APPENDED:
            self._platform.aggregates.remember(aggregates, saved.recorded_at)
            if subject_key is not None:
                self._platform.keys.remember(subject_key.subject_id, subject_key.cipher)
        return saved

    def _is_refusal(self, aggregate: Aggregate, recorded: Sequence[AggregateEvent]) -> bool:
        """Whether there is nothing to do about one of them: a no, which memory may not say."""
        return not recorded and aggregate.id in self._from_memory

    async def _subject_key(self, events: Sequence[AggregateEvent]) -> SubjectKey | None:
        """What seals what is personal about a command: the key of the one person it is about."""
        if not events:
            return None
        keys = self._platform.keys
        if isinstance(events[0], User.Registered):
            return keys.new(events[0].originator_id)
        # Why somebody was erased must still be readable when nothing else is.
        is_erasure = any(isinstance(event, User.Erased) for event in events)
        subject_id = PLATFORM if is_erasure else _subject_of(events[0])
        try:
            key = await keys.to_seal(subject_id)
        except KeyUnusableError as error:
            if self._context.metadata.reason is None and not any(form_of(event).personal for event in events):
                return None
            # What was decided on was remembered from before the damage.
            self._platform.aggregates.cache.forget(subject_id)
            version = events[0].originator_version
            raise HistoryUnreadableError(events[0].originator_id, version, type(error).__name__) from error
        if key is None:
            raise _OutdatedError
        return key


class BeginAttempt(Protocol):
    """Makes an `Attempt`, of the kind that this process needs."""

    def __call__(self, platform: CommandPlatform, context: CommandContext, /, *, fresh: bool) -> Attempt: ...


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
