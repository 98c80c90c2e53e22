"""Follows the log past events that cannot be folded: each holds its stream, and all others stay current.

A checkpoint passes over held events, so a stream that is let go is folded again from its beginning up to the
checkpoint, in one transaction under the checkpoint's lock (docs/decisions/0005-dead-letters.md).
"""

from typing import Any, NamedTuple
from uuid import UUID

from application.projections.definition import Projection
from infrastructure.log.reader import Connection, PoisonEventError, fetch_streams, wanted_facts
from infrastructure.projections.follow.dead_letters import (
    DeadLetter,
    Wish,
    close_letter,
    find_letter,
    letters_with_a_wish,
    note_attempt,
    open_letter,
)
from infrastructure.projections.follow.following import (
    BATCH,
    REFUSED_ROW,
    LeftOut,
    OtherVersionError,
    Progress,
    fold_all,
    follow_batch,
    left_out,
    wanted_by,
    write,
)
from infrastructure.projections.partitions import MOST, Partition, all_partitions, folded_up_to
from infrastructure.projections.tables import ModelTable


class LetterNotOpenError(Exception):
    """The letter is settled already, or belongs to rows that are gone."""


def follow_past_poison(
    connection: Connection, projection: Projection[Any], generation: int, limit: int = BATCH, *, most: int = MOST
) -> Progress | None:
    """Like `follow_batch`, but an event that cannot be folded makes a letter. Raises `TooManyLettersError`."""
    try:
        return follow_batch(connection, projection, generation, limit, most=most)
    except PoisonEventError as poison:
        before = poison.position - 1 - _checkpoint(connection, projection.name, generation, poison)
        if before > 0:  # What comes before it is sound, and its own stream's part of that is not to be missing.
            follow_past_poison(connection, projection, generation, before, most=most)
        hold(connection, projection.name, generation, poison)
    except REFUSED_ROW:
        limit //= 2
    return follow_past_poison(connection, projection, generation, limit, most=most)


def settle(
    connection: Connection, projection: Projection[Any], letter_id: UUID, wish: Wish, by: str, reason: str | None = None
) -> None:
    """Retry a letter's event, or leave it out for good, and let its stream go.

    The stream may be held again by a later event. Raises `LookupError`, `LetterNotOpenError`, `OtherVersionError`, and
    `PoisonEventError` if the event still cannot be folded: then the letter stays as it is.
    """
    letter = None
    try:
        with connection.transaction():
            live = _lock_live(connection, projection)
            letter = _settleable(find_letter(connection, letter_id), projection, live, wish)
            assert live is not None  # noqa: S101 - an open letter has a live generation
            close_letter(connection, letter, "retried" if wish == "retry" else "resolved", by, reason)
            if live.version != projection.version:
                # The rows are another program's; what was decided counts from the next rebuild on.
                _only_resolves(letter, wish, projection, live)
                return
            upto = folded_up_to(live.partitions, letter.stream_id)
            poison = _replay(connection, ModelTable(projection, live.generation), letter, upto)
            if poison is not None and poison.position == letter.position:
                raise poison
            if poison is not None:
                open_letter(connection, projection.name, live.generation, poison)
    except PoisonEventError as poison:
        if letter is not None:
            note_attempt(connection, letter, poison.kind)
        raise


def grant_wishes(connection: Connection, projection: Projection[Any]) -> None:
    """Settle the letters that somebody has asked to be settled; those that cannot be stay open."""
    for letter in letters_with_a_wish(connection, projection.name):
        try:
            settle(
                connection, projection, letter.id, letter.wish or "retry", letter.wished_by or "", letter.wish_reason
            )
        except (PoisonEventError, OtherVersionError):
            continue
        except LetterNotOpenError:
            note_attempt(connection, letter, letter.error)


def hold(connection: Connection, name: str, generation: int, poison: PoisonEventError) -> None:
    """Open a letter if the poison event is the next one; else somebody with a better program has folded it."""
    with connection.transaction():
        connection.execute(
            "SELECT FROM projection.generation WHERE name = %s AND generation = %s FOR UPDATE", (name, generation)
        )
        if _checkpoint(connection, name, generation, poison, hold=True) == poison.position - 1:
            open_letter(connection, name, generation, poison)


def _checkpoint(
    connection: Connection, name: str, generation: int, poison: PoisonEventError, *, hold: bool = False
) -> int:
    """Up to where the stream of the poison event is folded."""
    row = connection.execute('SELECT stream_id FROM log.event WHERE "position" = %s', (poison.position,)).fetchone()
    partitions = all_partitions(connection, name, generation, hold=hold)
    return folded_up_to(partitions, row[0]) if row and partitions else 0


class _Live(NamedTuple):
    """The live rows of a model, which nobody follows until the end of the transaction."""

    generation: int
    version: int
    partitions: list[Partition]


def _lock_live(connection: Connection, projection: Projection[Any]) -> _Live | None:
    row = connection.execute(
        "SELECT generation, version FROM projection.generation WHERE name = %s AND state = 'live' FOR UPDATE",
        (projection.name,),
    ).fetchone()
    if row is None:
        return None
    generation, version = row
    return _Live(generation, version, all_partitions(connection, projection.name, generation, hold=True))


def _only_resolves(letter: DeadLetter, wish: Wish, projection: Projection[Any], live: _Live) -> None:
    """Raise `OtherVersionError` for whatever must be done to the live rows, too."""
    if letter.state != "blocking" or wish != "resolve":
        raise OtherVersionError(projection, live.version)


def _settleable(letter: DeadLetter | None, projection: Projection[Any], live: _Live | None, wish: Wish) -> DeadLetter:
    if letter is None or letter.name != projection.name:
        raise LookupError
    is_waiting = letter.state in {"open", "blocking"} and live is not None and letter.generation == live.generation
    is_left_out = letter.state == "resolved" and live is not None
    if not is_waiting and not (is_left_out and wish == "retry"):
        raise LetterNotOpenError
    return letter


def _replay(connection: Connection, table: ModelTable[Any], letter: DeadLetter, upto: int) -> PoisonEventError | None:
    """Make a stream's rows again, up to the first event that cannot be folded, which is the answer."""
    projection = table.projection
    without = LeftOut(positions=left_out(connection, projection.name, table.generation).positions)
    rows: dict[Any, Any] = {}
    poison = None
    wanted = wanted_by(projection, without)
    for fact in fetch_streams(connection, [letter.stream_id], upto, wanted):
        try:
            fold_all(projection, rows, wanted_facts([fact], wanted))
        except PoisonEventError as error:
            poison = error
            break
    try:
        with connection.transaction():
            write(connection, table, table.load(connection, list(rows)), rows)
    except REFUSED_ROW as error:
        return PoisonEventError(letter.position, error)
    return poison
