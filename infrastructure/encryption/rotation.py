"""Replaces the master key while everything continues: subject keys are wrapped again; sealed data is not touched.

The new key is announced first, by its row alone, and each process wraps with it from its next look on. Then people's
keys are wrapped with it, in pieces, whoever asks for them meanwhile. At last the old key goes; the database itself does
not let it go as long as somebody's key is wrapped with it, and refuses whoever still wraps with it afterwards, who then
looks again and does it once more. A rotation that was broken off is gone on with by the next one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.encryption.eviction import LOOK_SECONDS
from infrastructure.encryption.key_encryption import KeyEncryptionKey
from infrastructure.encryption.master_keys import MasterKeys, master_cipher, new_master_key
from infrastructure.encryption.subject_keys import unwrap, wrap

SETTLE_SECONDS = 2 * LOOK_SECONDS
"""How long after the announcement the work begins: by then, every process that is not stuck has seen it."""
PIECE = 1_000
ROTATION_LOCK = 0x5265707269736532
"""Key of the advisory lock of rotations."""

_IDS = "SELECT id FROM keys.master_key ORDER BY id"
_INSERT = "INSERT INTO keys.master_key (id, key_encryption_key, wrapped) VALUES (%s, %s, %s)"
_LEFT = "SELECT count(*) FROM keys.subject_key WHERE master_id < %s"
_NEXT = """
SELECT subject_id, master_id, wrapped FROM keys.subject_key
WHERE (%s::uuid IS NULL OR subject_id > %s) AND master_id < %s
ORDER BY subject_id LIMIT %s FOR UPDATE
"""
_REWRAP = """
UPDATE keys.subject_key k SET master_id = %s, wrapped = new.wrapped
FROM unnest(%s::uuid[], %s::bytea[]) AS new (subject_id, wrapped) WHERE k.subject_id = new.subject_id
"""

Connection = psycopg.Connection[Any]
OnKeys = Callable[[int, int], None]
"""Called with the number of keys wrapped, and of all."""


class RotationUnderWayError(Exception):
    """Somebody else is at it."""

    def __init__(self) -> None:
        super().__init__("Another process is already replacing the master key.")


class Rotated(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a rotation."""

    master_key: int
    keys: int
    """How many keys were wrapped."""
    removed: int
    """Master keys that are no longer used."""


def rotate_master_key(
    connection: Connection,
    key: KeyEncryptionKey,
    on_keys: OnKeys = lambda _, __: None,
    settle: Callable[[float], None] = time.sleep,
    piece: int = PIECE,
) -> Rotated:
    """Replace the master key, or finish doing so. Raises `RotationUnderWayError` and `KeyUnusableError`."""
    with _alone(connection):
        return _rotate(connection, key, on_keys, settle, piece)


def _rotate(
    connection: Connection, key: KeyEncryptionKey, on_keys: OnKeys, settle: Callable[[float], None], piece: int
) -> Rotated:
    new_id = _announced(connection, key)
    MasterKeys().load_now(connection)
    settle(SETTLE_SECONDS)
    total = _left(connection, new_id)
    keys = removed = 0
    while not removed:
        for count in _rewrapped(connection, new_id, piece):
            keys += count
            on_keys(min(keys, total), total)
        removed = _remove_old(connection, new_id)
    return Rotated(master_key=new_id, keys=keys, removed=removed)


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ROTATION_LOCK,)).fetchone()
    if not (row and row[0]):
        raise RotationUnderWayError
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (ROTATION_LOCK,))


def _announced(connection: Connection, key: KeyEncryptionKey) -> int:
    """The id of the new master key: one that was announced before and has not taken over, or one that is made now."""
    *former, newest = [master_id for (master_id,) in connection.execute(_IDS)] or [0]
    if former:
        return int(newest)
    new = new_master_key(key)
    connection.execute(_INSERT, new)
    return new[0]


def _left(connection: Connection, new_id: int) -> int:
    row = connection.execute(_LEFT, (new_id,)).fetchone()
    return row[0] if row else 0


def _rewrapped(connection: Connection, new_id: int, piece: int) -> Iterator[int]:
    """Wrap all keys anew; tells of each piece how many it had."""
    people = _rewrap(connection, new_id, piece, None)
    while people:
        yield len(people)
        people = _rewrap(connection, new_id, piece, people[-1])


def _rewrap(connection: Connection, new_id: int, piece: int, after: UUID | None) -> list[UUID]:
    """Wrap the next keys anew, in one transaction; returns whose."""
    new = _cipher(new_id)
    with connection.transaction():
        rows = connection.cursor(binary=True).execute(_NEXT, (after, after, new_id, piece)).fetchall()
        people = [subject_id for subject_id, *_ in rows]
        wrapped = [wrap(new, who, unwrap(_cipher(old_id), who, key)) for who, old_id, key in rows]
        connection.execute(_REWRAP, (new_id, people, wrapped))
    return people


def _remove_old(connection: Connection, new_id: int) -> int:
    """Remove the old keys; 0 if somebody's key was wrapped with one of them meanwhile."""
    try:
        return connection.execute("DELETE FROM keys.master_key WHERE id < %s", (new_id,)).rowcount
    except psycopg.errors.ForeignKeyViolation:
        return 0


def _cipher(master_id: int) -> AESGCM:
    cipher = master_cipher(master_id)
    assert cipher is not None  # noqa: S101 - all were just loaded
    return cipher
