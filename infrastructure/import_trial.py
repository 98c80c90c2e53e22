"""Tries an import out: everything is decided as it would be, by the state of the log, and nothing is recorded."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from application.commands import CommandContext, CommandKey, CommandKeys, CommandT, UseCase
from application.platform import EmailTokens, Saved
from domain import errors
from domain.email_claims import EmailClaim
from domain.kernel import Aggregate
from domain.users import User
from domain.values import EmailAddress
from infrastructure.aggregates import Aggregates
from infrastructure.claims.both_keys import leading_claim
from infrastructure.claims.key_in_force import require_claims_key
from infrastructure.command_keys import AnsweredCommands, KeyedCommandKeys
from infrastructure.connections import APP_ROLE, in_role, reading_pool
from infrastructure.keyring import ClaimIds, MailedTokens, load_keyring
from infrastructure.privacy.opening import opened_keys
from infrastructure.settings import Settings
from infrastructure.streams import StreamLoader

CONNECTIONS = 4


class TrialCommands:
    """The write side, without writing."""

    def __init__(
        self, settings: Settings, aggregates: Aggregates, answered: AnsweredCommands, claim_ids: Sequence[ClaimIds]
    ) -> None:
        self.policy = settings.policy
        self.email_tokens: EmailTokens = MailedTokens(b"")
        self.aggregates = aggregates
        self.claim_ids = claim_ids
        self._answered = answered

    async def run(self, use_case: UseCase[CommandT], command: CommandT, context: CommandContext) -> Saved:
        """Say what the command would come to. Raises as the command would."""
        try:
            return await use_case(command, _Trial(self, context.key))
        except errors.DomainError:
            answer = await self.earlier_answer(context.key)
            if answer is None:
                raise
            return answer

    async def earlier_answer(self, key: CommandKey | None) -> Saved | None:
        """The result of the command, if it was carried out before."""
        return await self._answered.find(key) if key else None


class _Trial:
    """One command's view of the platform."""

    def __init__(self, commands: TrialCommands, key: CommandKey | None) -> None:
        self.now = datetime.now(UTC)
        self.policy = commands.policy
        self.email_tokens = commands.email_tokens
        self._commands = commands
        self._key = key

    async def user(self, user_id: UUID) -> User:
        user, _ = await self._commands.aggregates.user(user_id)
        if user is None:
            raise errors.UserNotFound
        return user.twin()

    async def unread_user(self, user_id: UUID) -> User:
        user, _ = await self._commands.aggregates.unread.user(user_id)
        if user is None:
            raise errors.UserNotFound
        return user

    async def claims_naming(self, user_id: UUID) -> Sequence[EmailClaim]:
        ids = await self._commands.aggregates.unread.claims_naming(user_id)
        return [await self._commands.aggregates.email_claim(claim_id) for claim_id in ids]

    async def email_claim(self, address: EmailAddress, **_: bool) -> EmailClaim:
        return await leading_claim(self._commands.aggregates, self._commands.claim_ids, address)

    async def save(self, subject: Aggregate, *_: Aggregate) -> Saved:
        answer = await self._commands.earlier_answer(self._key)
        return answer or Saved(subject.id, subject.version, 0, self.now)


@asynccontextmanager
async def open_trial(settings: Settings, conninfo: str) -> AsyncIterator[tuple[TrialCommands, CommandKeys]]:
    """What an import needs, for trying it out."""
    keyring = load_keyring(settings.keys, production=settings.production)
    async with reading_pool(in_role(conninfo, APP_ROLE), CONNECTIONS) as pool:
        aggregates = Aggregates(StreamLoader(pool, await opened_keys(settings, pool)))
        await require_claims_key(pool, keyring)
        commands = TrialCommands(settings, aggregates, AnsweredCommands(pool), keyring.claim_ids)
        yield commands, KeyedCommandKeys(keyring.derive("commands"))
