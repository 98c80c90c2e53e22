"""A log in memory, and the unit of work that a use case sees on top of that log."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from application.commands import CommandT, UseCase
from application.policy import Policy
from application.recorded import Recorded
from application.unit_of_work import AggregateT, PortT, Saved
from application.unreadable import HistoryUnreadableError
from application.users.emails.address_claims import ClaimIdsOf
from application.users.emails.email_tokens import EmailTokens
from application.users.unread_users import UnreadUsers
from domain import errors
from domain.kernel import Aggregate, AggregateEvent
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.values import EmailAddress
from infrastructure.users.claims.claim_ids import ClaimIds
from infrastructure.users.email_tokens import MailedTokens
from tests.support.instants import NOW
from tests.support.scenarios import Fact, fact_of, played
from tests.support.users import OFTEN


class OutdatedError(Exception):
    """What was to be saved rests on an older version of a stream than the log's."""


class InMemoryLog:
    """Every fact, in one order; and the clock, the policy and the secrets of the platform on top of it."""

    def __init__(self) -> None:
        self.now = NOW
        self.policy = Policy()
        self.claim_ids = ClaimIds(b"c" * 32)
        self.email_tokens: EmailTokens = MailedTokens(b"t" * 32)
        self.recorded: list[Recorded[Any]] = []
        self.saved: dict[UUID, Aggregate] = {}
        """Each aggregate as the last command that changed it left it."""
        self.guesses = 0
        """How often an address might have been taken for vacant without a look."""
        self.unreadable: set[UUID] = set()
        """The streams of which something cannot be read."""
        self._told = 0

    @property
    def head(self) -> int:
        return len(self.recorded)

    def stream(self, stream_id: UUID) -> list[AggregateEvent]:
        return [recorded.event for recorded in self.recorded if recorded.event.originator_id == stream_id]

    def append(self, events: Iterable[AggregateEvent]) -> None:
        """Record all of it, or nothing. Raises `OutdatedError`."""
        events = list(events)
        versions = {event.originator_id: len(self.stream(event.originator_id)) for event in events}
        for event in events:
            versions[event.originator_id] += 1
            if event.originator_version != versions[event.originator_id]:
                raise OutdatedError
        for event in events:
            topic = event.TOPIC  # type: ignore[attr-defined] # every event of ours has one
            self.recorded.append(
                Recorded(event=event, topic=topic, position=self.head + 1, recorded_at=self.now, actor="system:test")
            )

    def work(self, expected_version: int | None = None) -> "InMemoryWork":
        """What the next command sees."""
        return InMemoryWork(self, expected_version)

    def run(self, use_case: UseCase[CommandT], command: CommandT, expected_version: int | None = None) -> Saved:
        """Carry out a command."""
        return _result(use_case(command, self.work(expected_version)))

    def run_at_once(self, use_case: UseCase[CommandT], commands: Sequence[CommandT]) -> list[Saved | BaseException]:
        """Carry out commands each of which decides before any other has saved."""

        async def together() -> list[Saved | BaseException]:
            attempts = [use_case(command, self.work()) for command in commands]
            return await asyncio.gather(*attempts, return_exceptions=True)

        return asyncio.run(together())

    def has(self, *users: User) -> None:
        """Begin with these users, and with their rights to their addresses. That is no news."""
        for user in users:
            self.append(user.collect_events())
            self.saved[user.id] = user
            claim = self.claim(user.email)
            claim.claim(user.id, self.now)
            self._keep(claim)
            if user.email_request and user.pending_email:
                claim = self.claim(user.pending_email)
                claim.request(user.id, user.email_request.confirm_by, self.now, OFTEN, is_told=True)
                self._keep(claim)
        self._told = self.head

    def _keep(self, claim: EmailClaim) -> None:
        self.append(claim.collect_events())
        self.saved[claim.id] = claim

    def news(self) -> list[Fact]:
        """What has been recorded since this was last asked."""
        told, self._told = self._told, self.head
        return [fact_of(recorded.event) for recorded in self.recorded[told:]]

    def user(self, user_id: UUID) -> User:
        user = played(self.stream(user_id))
        assert isinstance(user, User)
        return user

    def claim(self, address: EmailAddress) -> EmailClaim:
        claim_id = self.claim_ids.of(address)
        claim = played(self.stream(claim_id), EmailClaim.blank(claim_id))
        assert isinstance(claim, EmailClaim)
        return claim

    def holder(self, address: str) -> UUID | None:
        """Who has the right to an address now."""
        return self.claim(EmailAddress(address)).holder

    def mailed_token(self, user_id: UUID) -> str:
        """The token that a user has just been mailed."""
        request = self.user(user_id).email_request
        assert request
        return self.email_tokens.issue(user_id, request)


class InMemoryWork:
    """The port `application.unit_of_work.UnitOfWork`: one command's view."""

    def __init__(self, log: InMemoryLog, expected_version: int | None = None) -> None:
        self.now: datetime = log.now
        self._log = log
        self._expected_version = expected_version
        self._loaded: dict[UUID, Aggregate] = {}
        self._ports: dict[type, object] = {
            Policy: log.policy,
            EmailTokens: log.email_tokens,
            ClaimIdsOf: lambda address: [log.claim_ids.of(address)],
            UnreadUsers: UnreadUsersInMemory(log),
        }

    def using(self, port: type[PortT]) -> PortT:
        return cast("PortT", self._ports[port])

    async def target(self, kind: type[AggregateT], stream_id: UUID) -> AggregateT:
        target = await self.load(kind, stream_id)
        self.expect(target)
        return target

    async def load(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool = False) -> AggregateT:
        self._log.guesses += likely_new
        if stream_id in self._log.unreadable:
            raise HistoryUnreadableError(stream_id, 1, "UnknownTopicError")
        loaded = self._loaded.get(stream_id) or self._played(kind, stream_id)
        if not isinstance(loaded, kind):
            raise kind.NOT_FOUND
        self._loaded[stream_id] = loaded
        return loaded

    def _played(self, kind: type[AggregateT], stream_id: UUID) -> Aggregate | None:
        blank, events = kind.before_events(stream_id), self._log.stream(stream_id)
        return played(events, blank) if events else blank

    def expect(self, target: Aggregate) -> None:
        if self._expected_version not in {None, target.version}:
            raise errors.VersionIsStale(target.id, self._expected_version or 0, target.version)

    def mirror(self, leader: Aggregate, *others: Aggregate) -> None:
        raise NotImplementedError("one claims key is enough in memory")

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        aggregates = {aggregate.id: aggregate for aggregate in (subject, *others)}
        await _the_others_turn()
        self._log.append(_new_events(aggregates.values()))
        self._log.saved.update(aggregates)
        return Saved(subject.id, subject.version, self._log.head, self._log.now)


class UnreadUsersInMemory:
    """The port `application.users.unread_users.UnreadUsers`."""

    def __init__(self, log: InMemoryLog) -> None:
        self._log = log

    async def user(self, user_id: UUID) -> User:
        user = self._log.user(user_id)
        return User.unread(user_id, user.version, erased=user.erased)

    async def claims_naming(self, user_id: UUID) -> Sequence[UUID]:
        return list(
            {
                recorded.event.originator_id
                for recorded in self._log.recorded
                if isinstance(recorded.event, EmailClaim.Claimed) and recorded.event.user_id == user_id
            }
        )


async def _the_others_turn() -> None:
    await asyncio.sleep(0)


def _new_events(aggregates: Iterable[Aggregate]) -> Iterable[Any]:
    for aggregate in aggregates:
        yield from aggregate.collect_events()


def _result(awaitable: Awaitable[Saved]) -> Saved:
    """What an awaitable comes to; it needs no event loop, because nothing in memory is ever waited for."""
    steps = awaitable.__await__()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            saved: Saved = end.value
            return saved
