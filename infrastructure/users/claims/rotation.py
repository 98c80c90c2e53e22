"""Replaces the claims key while everything continues: records every claim under the id that the next key derives.

By then all processes have the next key, too, and record new events under both ids. So visiting each address in the log,
in any order and any number of times, adds the older claims; existing ones are left as they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from application.actors import Actor, Metadata, Role
from application.commands import LogUnavailableError
from application.recorded import Recorded
from application.unreadable import HistoryUnreadableError, UnreadableEvent
from domain.ids import uuid7
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.values import ERASED, EmailAddress
from infrastructure.commands.runner import ATTEMPTS, CommandRunner, OpenCommands
from infrastructure.log.append import Commit, OutcomeKind
from infrastructure.log.reader import Wanted, read_head, read_pieces
from infrastructure.secrets.keyring import SecretMissingError, load_keyring
from infrastructure.settings import Settings
from infrastructure.users.claims.claim_ids import ClaimIds, claim_ids
from infrastructure.users.claims.key_in_force import in_force, put_in_force

ACTOR = Actor(role=Role.SYSTEM, id="keys")
CHUNK = 4_000
# Every address was asked for by one of these: whatever became of it then is known by its claim.
_WITH_ADDRESS = (User.Registered.TOPIC, User.EmailChangeRequested.TOPIC)
_WANTED = Wanted(
    topics=(*_WITH_ADDRESS, EmailClaim.Claimed.TOPIC),
    metadata=False,
    personal=frozenset(_WITH_ADDRESS),
    unreadable=True,
)

Pieces = Callable[[], Iterator[Sequence[Recorded[Any]]]]
"""Reads the log from the beginning."""
OnEvents = Callable[[int, int], None]
"""Called with the number of events read, and of all; all of them are read twice."""


class ClaimsRotated(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a rotation."""

    addresses: int
    """How often people said an address of theirs, and it was looked at."""
    recorded: int
    """How many claims had to be recorded under the next key."""
    released: int
    """How many claims were still held by people who are erased."""
    fingerprint: str
    """Of the key that is in force now."""


class ClaimsDifferError(Exception):
    """Some claims do not say the same under both keys after all."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} claims are not under the next key what they are under the present one: somebody changed them "
            "meanwhile. Does a process run without REPRISE_NEXT_CLAIMS_KEY? Give it the key, and do this again."
        )


async def rotate_claims(
    settings: Settings,
    conninfo: str,
    open_commands: OpenCommands,
    on_events: OnEvents = lambda _, __: None,
    chunk: int = CHUNK,
) -> ClaimsRotated:
    """Record all claims under the next key, check them, and put the key in force; nothing if it already is.

    Raises `ClaimsDifferError`, `SecretMissingError` if there is no next key, `LogUnavailableError`, and
    `HistoryUnreadableError` if the address of somebody who has not been erased cannot be read.
    """
    ids = claim_ids(load_keyring(settings.keys, production=settings.production))
    if len(ids) == 1:
        raise SecretMissingError("REPRISE_NEXT_CLAIMS_KEY must be set to the next key.")
    async with open_commands(settings, conninfo) as commands:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return await _rotated(commands, connection, ids, lambda: _pieces(connection, chunk, on_events))


async def _rotated(
    commands: CommandRunner, connection: psycopg.Connection[Any], ids: Sequence[ClaimIds], pieces: Pieces
) -> ClaimsRotated:
    following = ids[1].fingerprint
    if in_force(connection) == following:
        return ClaimsRotated(addresses=0, recorded=0, released=0, fingerprint=following)
    rotation = _Rotation(commands, ids, pieces)
    recorded, released = await rotation.record()
    addresses, differing = await rotation.check()
    if differing:
        raise ClaimsDifferError(differing)
    put_in_force(connection, following)
    return ClaimsRotated(addresses=addresses, recorded=recorded, released=released, fingerprint=following)


def _pieces(reader: psycopg.Connection[Any], chunk: int, on_events: OnEvents) -> Iterator[Sequence[Recorded[Any]]]:
    head = read_head(reader).position
    for end, facts in read_pieces(reader, 0, head, _WANTED, chunk):
        yield facts
        on_events(end, head)


class _Rotation:
    """The work, piece by piece of the log."""

    def __init__(self, commands: CommandRunner, ids: Sequence[ClaimIds], pieces: Pieces) -> None:
        self._commands = commands
        self._ids = ids
        self._pieces = pieces
        self._correlation_id = uuid7()

    async def record(self) -> tuple[int, int]:
        """Bring what was before to the next key; how many claims were recorded, and how many released."""
        recorded = released = 0
        for piece in self._pieces():
            facts = await self._readable(piece)
            recorded += sum(await asyncio.gather(*(self._settle(self._following(a)) for a in _addresses(facts))))
            claims = await self._of_erased(facts)
            released += sum(await asyncio.gather(*(self._settle(self._released(*each)) for each in claims)))
        return recorded, released

    async def check(self) -> tuple[int, int]:
        """How many addresses there are, and how many claims are not as they should be."""
        addresses = differing = 0
        for piece in self._pieces():
            facts = await self._readable(piece)
            agree = await asyncio.gather(*map(self._agree, _addresses(facts)))
            held = await asyncio.gather(*(self._is_held(*each) for each in await self._of_erased(facts)))
            addresses, differing = addresses + len(agree), differing + agree.count(False) + held.count(True)
        return addresses, differing

    async def _readable(self, facts: Sequence[Recorded[Any]]) -> Sequence[Recorded[Any]]:
        """Those that can be read; the others must be about people who are erased, and have no address any more.

        A claim that cannot be read is met when the address that it is for is looked at.
        """
        unread = [fact for fact in facts if isinstance(fact.event, UnreadableEvent)]
        if not unread:
            return facts
        ciphers = await self._commands.keys.ciphers({fact.event.originator_id for fact in unread})
        for fact in unread:
            if fact.topic in _WITH_ADDRESS and ciphers.get(fact.event.originator_id, ...) is not None:
                place = fact.event.originator_id, fact.event.originator_version
                raise HistoryUnreadableError(*place, "AddressUnknown", fact.position)
        return [fact for fact in facts if not isinstance(fact.event, UnreadableEvent)]

    async def _agree(self, address: EmailAddress) -> bool:
        present, following = await self._claims_of(address)
        return following.says_the_same(present)

    async def _claims_of(self, address: EmailAddress) -> list[EmailClaim]:
        """The claims of an address under each key, as of one moment."""
        load = self._commands.aggregates.load
        return await asyncio.gather(*(load(EmailClaim, ids.of(address)) for ids in self._ids))

    async def _is_held(self, claim_id: UUID, user_id: UUID) -> bool:
        return (await self._commands.aggregates.load(EmailClaim, claim_id)).holder == user_id

    def _following(self, address: EmailAddress) -> Callable[[], Awaitable[EmailClaim]]:
        async def decide() -> EmailClaim:
            present, following = await self._claims_of(address)
            following.follow(present)
            return following

        return decide

    async def _of_erased(self, facts: Sequence[Recorded[Any]]) -> set[tuple[UUID, UUID]]:
        """Claims and who had them, of people who are erased: nobody knows any more for which address they are."""
        claims = {(f.event.originator_id, f.event.user_id) for f in facts if isinstance(f.event, EmailClaim.Claimed)}
        ciphers = await self._commands.keys.ciphers({user_id for _, user_id in claims})
        return {(claim_id, user_id) for claim_id, user_id in claims if ciphers.get(user_id, ...) is None}

    def _released(self, claim_id: UUID, user_id: UUID) -> Callable[[], Awaitable[EmailClaim]]:
        async def decide() -> EmailClaim:
            claim = await self._commands.aggregates.load(EmailClaim, claim_id)
            claim.release(user_id)
            return claim

        return decide

    async def _settle(self, decide: Callable[[], Awaitable[EmailClaim]]) -> bool:
        """Record what is decided on a claim, if anything is; decided anew as often as somebody else was faster."""
        for _ in range(ATTEMPTS):
            events = (await decide()).collect_events()
            if not events:
                return False
            # Without a reason: that would be sealed, and with whose key, if the claim was an erased person's?
            metadata = Metadata(command_id=uuid7(), actor=ACTOR, correlation_id=self._correlation_id)
            outcome = await self._commands.commits.commit(Commit(metadata=metadata, events=events))
            if outcome.kind is not OutcomeKind.CONFLICT:
                return True
        raise LogUnavailableError


def _addresses(facts: Sequence[Recorded[Any]]) -> set[EmailAddress]:
    """The addresses in these facts that can still be read."""
    found = {fact.event.email for fact in facts if not isinstance(fact.event, EmailClaim.Claimed)}
    return found - {EmailAddress(ERASED)}
