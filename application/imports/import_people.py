"""Take over people from another system, as many as a file has lines, each exactly once.

Many lines are worked on at a time, and the outcome is still as if they had been taken one by one: of several lines with
one address, or with one external id, the first is the person and the others are duplicates, however often the file is
imported and wherever an import broke off. A line that was imported is known again by its external id, or by its whole
content where it has none.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from application.actors import IMPORTER, Metadata
from application.commands import CommandContext, CommandKey, CommandKeys, Commands, IdempotencyKeyReusedError
from application.imports.import_person import ImportPerson, import_person
from application.imports.person_line import LineInvalidError, canonical, read_person
from application.turns import Turn, Turns
from application.unit_of_work import AggregateT, Saved, UnitOfWork
from application.unreadable import HistoryUnreadableError
from application.users.unread_users import UnreadUsers
from domain import errors
from domain.ids import uuid7
from domain.kernel import Aggregate
from domain.users import User
from domain.users.email_claim import EmailClaim

LINES_UNDER_WAY = 1_024
"""Enough to fill the next appends while one is in progress; each takes some kilobytes of memory."""


class Line(msgspec.Struct, frozen=True):
    """A line of a file, counted from 1; without its content if that is longer than any person's line may be."""

    number: int
    content: bytes | None


class Outcome(StrEnum):
    """What became of a line."""

    BLANK = "blank"
    IMPORTED = "imported"
    ALREADY_IMPORTED = "alreadyImported"
    DUPLICATE = "duplicate"
    ERASED = "erased"
    INVALID = "invalid"


class LineResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a line, and why if it was refused; holds no personal values."""

    line: int
    outcome: Outcome
    code: str | None = None
    field: str | None = None
    message: str | None = None


class DuplicateError(Exception):
    """An earlier line of the file, or an earlier import, has what this line claims."""

    def __init__(self, code: str, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field
        self.sentence = sentence


class Marks(Protocol):
    """What the accepted lines of one file hold; there may be very many of them."""

    def __contains__(self, mark: str, /) -> bool: ...

    def add(self, mark: str, /) -> None:
        """Remember a mark."""
        ...


async def import_people(
    lines: AsyncIterator[Line], commands: Commands, keys: CommandKeys, accepted: Marks
) -> AsyncGenerator[LineResult, None]:
    """Import the lines of one file; their results come in the order of the lines. Raises `LogUnavailableError`."""
    file = _File(commands, keys, accepted)
    under_way: deque[asyncio.Task[LineResult]] = deque()
    try:
        async for line in lines:
            under_way.append(asyncio.create_task(file.take(line)))
            if len(under_way) >= LINES_UNDER_WAY:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


class _File:
    """The lines of one file, with what they have to know of each other."""

    def __init__(self, commands: Commands, keys: CommandKeys, accepted: Marks) -> None:
        self.accepted = accepted
        self.turns = Turns()
        self._commands = commands
        self._keys = keys
        self._correlation_id = uuid7()

    async def take(self, line: Line) -> LineResult:
        """Import a line."""
        if line.content is None:
            return _refused(line, Outcome.INVALID, "line_too_long", None, "The line is too long to be about a person.")
        if not line.content.strip():
            return LineResult(line=line.number, outcome=Outcome.BLANK)
        try:
            person = read_person(line.content)
        except LineInvalidError as error:
            return _refused(line, Outcome.INVALID, error.code, error.field, error.sentence)
        try:
            outcome = await self._import(person)
        except DuplicateError as error:
            return _refused(line, Outcome.DUPLICATE, error.code, error.field, error.sentence)
        except errors.UserIsErased as error:
            return _refused(line, Outcome.ERASED, error.code, error.field, error.sentence)
        except errors.DomainError as error:
            return _refused(line, Outcome.INVALID, error.code, error.field, error.sentence)
        except HistoryUnreadableError:
            sentence = "What the log has about this address cannot be read."
            return _refused(line, Outcome.INVALID, "history_unreadable", "email", sentence)
        return LineResult(line=line.number, outcome=outcome)

    async def _import(self, person: ImportPerson) -> Outcome:
        place = _Place(self.turns, self.accepted, person)
        try:
            saved = await self._run(person, place)
            place.accept()
        finally:
            place.leave()
        if saved.aggregate_id == place.offered:
            return Outcome.IMPORTED
        await self._commands.run(_find, saved.aggregate_id, CommandContext(metadata=self._metadata()))
        return Outcome.ALREADY_IMPORTED

    async def _run(self, person: ImportPerson, place: "_Place") -> Saved:
        async def in_turn(command: ImportPerson, work: UnitOfWork) -> Saved:
            return await import_person(command, _InTurn(work, place))

        try:
            return await self._commands.run(in_turn, person, self._context(person))
        except errors.EmailTaken:
            raise _address_taken() from None
        except IdempotencyKeyReusedError:
            raise _external_id_taken() from None

    def _context(self, person: ImportPerson) -> CommandContext:
        return CommandContext(metadata=self._metadata(), key=self._key(person))

    def _metadata(self) -> Metadata:
        return Metadata(command_id=uuid7(), actor=IMPORTER, correlation_id=self._correlation_id)

    def _key(self, person: ImportPerson) -> CommandKey:
        content = canonical(person)
        if person.external_id is None:
            return self._keys.make("import", f"content {content.decode()}", content)
        return self._keys.make("import", f"external id {person.external_id}", content)


class _Place:
    """One line's place among the lines of its file that want the same address or external id."""

    def __init__(self, turns: Turns, accepted: Marks, person: ImportPerson) -> None:
        self.offered: UUID | None = None
        """The user that was made of the line, whether or not it is the one in the log."""
        self._turns = turns
        self._accepted = accepted
        self._external_id = person.external_id
        self._marks: dict[str, DuplicateError] = {}
        self._turn: Turn | None = None

    async def wait_for_turn(self, claim_id: UUID) -> None:
        """Wait for the lines before; raises `DuplicateError` if one of them was accepted."""
        if self._turn:
            await self._turn.come()
            return
        self._marks[f"address {claim_id.hex}"] = _address_taken()
        if self._external_id is not None:
            self._marks[f"external id {self._external_id}"] = _external_id_taken()
        self._turn = self._turns.take(*self._marks)
        await self._turn.come()
        for mark, error in self._marks.items():
            if mark in self._accepted:
                raise error

    def accept(self) -> None:
        """Let the lines after know that this one is the person."""
        for mark in self._marks:
            self._accepted.add(mark)

    def leave(self) -> None:
        """Let the lines after come to their turn."""
        if self._turn:
            self._turn.end()


class _InTurn:
    """The unit of work, as the import of a line sees it.

    A line takes its place as soon as its address is known. Nothing has been waited for by then, so that places are
    taken in the order in which the lines were begun, which is their order in the file.
    """

    def __init__(self, work: UnitOfWork, place: _Place) -> None:
        self.now = work.now
        self.using = work.using
        self.target = work.target
        self.expect = work.expect
        self.mirror = work.mirror
        self._work = work
        self._place = place

    async def load(self, kind: type[AggregateT], stream_id: UUID, *, likely_new: bool = False) -> AggregateT:
        if kind is EmailClaim:
            await self._place.wait_for_turn(stream_id)
        return await self._work.load(kind, stream_id, likely_new=likely_new)

    async def save(self, subject: Aggregate, *others: Aggregate) -> Saved:
        self._place.offered = subject.id
        return await self._work.save(subject, *others)


async def _find(user_id: UUID, work: UnitOfWork) -> Saved:
    """Somebody who was imported before, as nothing new; refused if they have been erased since."""
    try:
        user = await work.target(User, user_id)
    except HistoryUnreadableError:
        user = await work.using(UnreadUsers).user(user_id)
    user.must_be_there()
    return await work.save(user)


def _address_taken() -> DuplicateError:
    return DuplicateError(errors.EmailTaken.code, errors.EmailTaken.field, errors.EmailTaken.sentence)


def _external_id_taken() -> DuplicateError:
    return DuplicateError(
        "external_id_taken", "externalId", "This external id was imported before, with other content."
    )


def _refused(line: Line, outcome: Outcome, code: str, field: str | None, sentence: str) -> LineResult:
    return LineResult(line=line.number, outcome=outcome, code=code, field=field, message=sentence)
