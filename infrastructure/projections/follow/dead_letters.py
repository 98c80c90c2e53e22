"""Dead letters: events that a read model cannot fold. Each holds its own stream, and nothing else.

A letter names position, stream, topic and kind of error, and nothing of what the event says. While it is open the
model is not healthy; it is closed by a retry, after the cause is gone, or resolved by somebody who says why.

A *blocking* letter is about an event that no rebuild gets past. The live rows have folded it as long as it could be, so
nothing is held back; if they have yet to come to it, the letter is opened then.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from domain.ids import uuid7
from infrastructure.log.reader import Connection, PoisonEventError

MOST_LETTERS = 100
"""Open letters above which it is the model that is broken, not this or that event: then it stands still."""

Wish = Literal["retry", "resolve"]

_COLUMNS = """id, name, generation, stream_id, "position", topic, error, state, opened_at, attempted_at, closed_at,
    closed_by, reason, wish, wished_by, wish_reason"""

# A rebuild was there first.
_HOLD_WHAT_BLOCKED = """
UPDATE projection.letter b SET state = 'open'
WHERE b.name = %(name)s AND b.generation = %(generation)s AND b."position" = %(position)s AND b.state = 'blocking'
  AND NOT EXISTS (SELECT FROM projection.letter l WHERE l.name = b.name AND l.generation = b.generation
                  AND l.stream_id = b.stream_id AND l.state = 'open')
"""


class TooManyLettersError(Exception):
    """So many streams are held that the model as a whole must be wrong."""

    def __init__(self, poison: PoisonEventError) -> None:
        super().__init__(f"{MOST_LETTERS} streams are held back; {poison}")


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One event that a model could not fold."""

    id: UUID
    name: str
    generation: int
    stream_id: UUID
    position: int
    topic: str
    error: str
    state: str
    opened_at: datetime
    attempted_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None
    wish: Wish | None
    wished_by: str | None
    wish_reason: str | None


def find_letter(connection: Connection, letter_id: UUID) -> DeadLetter | None:
    """One letter by its id, locked until the end of the transaction."""
    cursor = connection.cursor(row_factory=class_row(DeadLetter))
    cursor.execute(f"SELECT {_COLUMNS} FROM projection.letter WHERE id = %s FOR UPDATE", (letter_id,))  # noqa: S608
    return cursor.fetchone()


def model_of_letter(connection: Connection, letter_id: UUID) -> str | None:
    """The name of the model that a letter belongs to."""
    row = connection.execute("SELECT name FROM projection.letter WHERE id = %s", (letter_id,)).fetchone()
    return row[0] if row else None


def letters_with_a_wish(connection: Connection, name: str) -> list[DeadLetter]:
    """The letters that somebody wants to be retried or resolved, in the order of the log."""
    cursor = connection.cursor(row_factory=class_row(DeadLetter))
    cursor.execute(
        f'SELECT {_COLUMNS} FROM projection.letter WHERE name = %s AND wish IS NOT NULL ORDER BY "position"',  # noqa: S608
        (name,),
        prepare=True,
    )
    return cursor.fetchall()


def open_letter(connection: Connection, name: str, generation: int, poison: PoisonEventError) -> None:
    """Hold the poison event's stream; nothing if it is held already. Raises `TooManyLettersError`."""
    row = connection.execute(
        "SELECT count(*) FROM projection.letter WHERE name = %s AND generation = %s AND state = 'open'",
        (name, generation),
    ).fetchone()
    if row and row[0] >= MOST_LETTERS:
        raise TooManyLettersError(poison)
    place = {"name": name, "generation": generation, "position": poison.position}
    if connection.execute(_HOLD_WHAT_BLOCKED, place).rowcount:
        return
    connection.execute(
        """
        INSERT INTO projection.letter (id, name, generation, stream_id, "position", topic, error)
        SELECT %(id)s, %(name)s, %(generation)s, e.stream_id, e."position", e.topic, %(error)s
        FROM log.event e WHERE e."position" = %(position)s
        ON CONFLICT DO NOTHING
        """,
        {"id": uuid7(), "error": poison.kind, **place},
    )


def offer_letter(connection: Connection, name: str, poison: PoisonEventError) -> None:
    """Have somebody decide on an event that a rebuild, or a check of the live rows, could not get past.

    Nothing if there is a letter about it.
    """
    connection.execute(
        """
        INSERT INTO projection.letter (id, name, generation, stream_id, "position", topic, error, state)
        SELECT %(id)s, g.name, g.generation, e.stream_id, e."position", e.topic, %(error)s, 'blocking'
        FROM projection.generation g CROSS JOIN log.event e
        WHERE g.name = %(name)s AND g.state = 'live' AND e."position" = %(position)s AND NOT EXISTS (
            SELECT FROM projection.letter l WHERE l.name = g.name AND l."position" = e."position"
            AND (l.state = 'resolved' OR l.state = 'open' AND l.generation = g.generation))
        ON CONFLICT DO NOTHING
        """,
        {"id": uuid7(), "name": name, "error": poison.kind, "position": poison.position},
    )


def close_letter(connection: Connection, letter: DeadLetter, state: str, by: str, reason: str | None) -> None:
    """Write down how a letter was settled, when, by whom and why."""
    connection.execute(
        "UPDATE projection.letter SET state = %s, closed_by = %s, reason = %s, wish = NULL, "
        "attempted_at = clock_timestamp(), closed_at = clock_timestamp() WHERE id = %s",
        (state, by, reason, letter.id),
    )


def note_attempt(connection: Connection, letter: DeadLetter, error: str) -> None:
    """Write down that a letter is as open as before."""
    connection.execute(
        "UPDATE projection.letter SET error = %s, attempted_at = clock_timestamp(), wish = NULL WHERE id = %s",
        (error, letter.id),
    )


def supersede_letters(connection: Connection, name: str, generation: int) -> None:
    """The generation goes, and with it what was wrong with it; part of the caller's transaction."""
    connection.execute(
        "UPDATE projection.letter SET state = 'superseded', closed_at = clock_timestamp(), wish = NULL "
        "WHERE name = %s AND generation = %s AND state IN ('open', 'blocking')",
        (name, generation),
    )
