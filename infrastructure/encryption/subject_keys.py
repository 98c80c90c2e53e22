"""The key of one person: everything personal in their events is sealed with it, and gone with it.

It lies in `keys.subject_key`, wrapped by a master key: 12 octets of nonce, then ciphertext and tag of AES-256-GCM, the
person's id as associated data. Where a key was destroyed, its row stays, empty: no other key can take its place.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.encryption.key_encryption import KEY_OCTETS, NONCE_OCTETS, KeyUnusableError
from infrastructure.encryption.master_keys import MasterKeys, master_cipher

Ciphers = Mapping[UUID, AESGCM | None]
"""By person; None for one who was erased."""

PLATFORM = UUID(int=0)
"""Stands for nobody: its key seals what must stay readable when a person is forgotten, such as who asked for it."""

KEYS_OF = "SELECT subject_id, wrapped, master_id FROM keys.subject_key WHERE subject_id = ANY (%s)"


class SubjectKey(msgspec.Struct, frozen=True):
    """What seals and opens one person's fields; a new one can be wrapped, too, to be stored with their first events."""

    subject_id: UUID
    cipher: AESGCM
    secret: bytes | None = None
    masters: MasterKeys | None = None

    def wrapped(self) -> tuple[int, bytes] | None:
        """The id of the present master key, and this key wrapped by it; None if it is stored already."""
        if self.secret is None or self.masters is None:
            return None
        master_id, master = self.masters.current
        return master_id, wrap(master, self.subject_id, self.secret)


def key_in(keys: Iterable[SubjectKey], subject_id: UUID | None) -> SubjectKey | None:
    """Somebody's key, if it is among these."""
    for key in keys:
        if key.subject_id is subject_id or key.subject_id == subject_id:
            return key
    return None


def new_subject_key(subject_id: UUID, masters: MasterKeys) -> SubjectKey:
    """A key for somebody who has none."""
    secret = os.urandom(KEY_OCTETS)
    return SubjectKey(subject_id, AESGCM(secret), secret, masters)


def wrap(master: AESGCM, subject_id: UUID, secret: bytes) -> bytes:
    """A person's key, as it is stored."""
    nonce = os.urandom(NONCE_OCTETS)
    return nonce + master.encrypt(nonce, secret, subject_id.bytes)


def unwrap(master: AESGCM, subject_id: UUID, wrapped: bytes) -> bytes:
    """A person's key, from its stored form. Raises `KeyUnusableError`."""
    try:
        return master.decrypt(wrapped[:NONCE_OCTETS], wrapped[NONCE_OCTETS:], subject_id.bytes)
    except (InvalidTag, ValueError):
        raise KeyUnusableError(f"The key of {subject_id} cannot be unwrapped with its master key.") from None


def cipher_of(subject_id: UUID, wrapped: bytes | None, master_id: int | None) -> AESGCM | None:
    """What opens a person's fields; None if the key was destroyed.

    Raises `KeyUnusableError`, and `MasterKeyUnknownError` if the master key has yet to be looked up.
    """
    if wrapped is None or master_id is None:
        return None
    master = master_cipher(master_id)
    if master is None:
        raise MasterKeyUnknownError(master_id)
    return AESGCM(unwrap(master, subject_id, wrapped))


class MasterKeyUnknownError(LookupError):
    """A master key that this process has not looked up yet."""


def ciphers_from(rows: Iterable[tuple[Any, ...]]) -> dict[UUID, AESGCM | None]:
    """What opens the fields of several people; without those whose key is damaged. Raises `MasterKeyUnknownError`."""
    ciphers: dict[UUID, AESGCM | None] = {}
    for subject_id, wrapped, master_id in rows:
        with suppress(KeyUnusableError):
            ciphers[subject_id] = cipher_of(subject_id, wrapped, master_id)
    return ciphers


def load_ciphers(connection: psycopg.Connection[Any], subjects: Iterable[UUID]) -> Ciphers:
    """What opens the fields of those among these people who have, or had, a key. Raises `KeyUnusableError`."""
    rows = connection.cursor(binary=True).execute(KEYS_OF, (list(subjects),), prepare=True).fetchall()
    return known_ciphers(connection, rows)


def known_ciphers(connection: psycopg.Connection[Any], rows: Sequence[tuple[Any, ...]]) -> Ciphers:
    """What opens the fields of the people in these rows of the key table. Raises `KeyUnusableError`."""
    try:
        return ciphers_from(rows)
    except MasterKeyUnknownError:
        MasterKeys().load_now(connection)
        return ciphers_from(rows)
