"""Why something was done, as recorded with a command: free text about a person, so it is sealed like their data.

Stored form: U+0001, then base64url of whose key sealed it (16 octets), nonce (12), ciphertext and tag; associated data
is the command's id. Anything else is a reason from before sealing, which cannot begin with that character.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.unreadable import UNREADABLE
from domain.values import ERASED
from infrastructure.encryption.key_encryption import NONCE_OCTETS
from infrastructure.encryption.subject_keys import Ciphers, load_ciphers

_SEALED = "\x01"
_NONCE_BEGINS = 16
_NONCE_ENDS = _NONCE_BEGINS + NONCE_OCTETS


def seal_reason(cipher: AESGCM, reason: str, subject_id: UUID, command_id: UUID) -> str:
    """A reason as it is stored with the events of a command."""
    nonce = os.urandom(NONCE_OCTETS)
    sealed = cipher.encrypt(nonce, reason.encode(), b"reason" + command_id.bytes)
    return _SEALED + urlsafe_b64encode(subject_id.bytes + nonce + sealed).decode()


def subject_of(reason: str | None) -> UUID | None:
    """Whose key a stored reason is sealed with; None if it is not sealed, or what names the key is damaged."""
    if reason is None or not reason.startswith(_SEALED):
        return None
    try:
        return UUID(bytes=urlsafe_b64decode(reason[1:])[:_NONCE_BEGINS])
    except ValueError:
        return None


def subjects_of(reasons: Iterable[str | None]) -> set[UUID]:
    """Whose keys open these stored reasons."""
    return {subject_id for reason in reasons if (subject_id := subject_of(reason))}


def open_reason(ciphers: Ciphers, reason: str | None, command_id: UUID | None) -> str | None:
    """What was stated; `ERASED` if the key was destroyed, `UNREADABLE` if the key or what was sealed is damaged.

    Never fails: a reason that is lost must not take with it what was done, nor what others did.
    """
    if reason is None or not reason.startswith(_SEALED):
        return reason
    subject_id = subject_of(reason)
    if subject_id is None or subject_id not in ciphers or command_id is None:
        return UNREADABLE
    cipher = ciphers[subject_id]
    if cipher is None:
        return ERASED
    octets = urlsafe_b64decode(reason[1:])
    try:
        nonce = octets[_NONCE_BEGINS:_NONCE_ENDS]
        return cipher.decrypt(nonce, octets[_NONCE_ENDS:], b"reason" + command_id.bytes).decode()
    except (InvalidTag, ValueError):
        return UNREADABLE


def open_reasons(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], at: int, command_at: int
) -> list[tuple[Any, ...]]:
    """Rows that have a reason in one place and the command's id in another, with the reason opened."""
    subjects = subjects_of(row[at] for row in rows)
    if not subjects:
        return rows
    ciphers = load_ciphers(connection, subjects)
    return [(*row[:at], open_reason(ciphers, row[at], row[command_at]), *row[at + 1 :]) for row in rows]
