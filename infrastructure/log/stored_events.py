"""Between events and what the log holds of them: seals on the way in, opens on the way out."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import psycopg

from domain.kernel import AggregateEvent
from infrastructure.encryption.personal_topics import PERSONAL_TOPICS
from infrastructure.encryption.sealed_form import (
    JSON,
    SEALED,
    SEALED_FOR,
    SealBrokenError,
    seal,
    subject_in,
    unseal,
    unseal_for,
    without_personal,
)
from infrastructure.encryption.subject_keys import Ciphers, SubjectKey, key_in, load_ciphers
from infrastructure.log.event_codec import FORMS, form_of

UNREADABLE = b""
"""Handed to the codec, which refuses it, in place of what cannot be opened."""


class SubjectKeyMissingError(Exception):
    """An event says something personal, and no key was given to seal it with."""


def stored_form(event: AggregateEvent, keys: Sequence[SubjectKey]) -> tuple[str, bytes]:
    """The topic of an event and what the log is to hold of it. Raises `SubjectKeyMissingError`."""
    form = form_of(event)
    if not form.personal:
        return form.topic, form.encode(event)
    key = key_in(keys, form.subject_of(event))
    if key is None:
        raise SubjectKeyMissingError(form.topic)
    clear, personal = form.encode_parts(event)
    stream_id, version = event.originator_id, event.originator_version
    named = None if key.subject_id is stream_id or key.subject_id == stream_id else key.subject_id
    return form.topic, seal(key.cipher, clear, personal, stream_id, version, form.topic, named)


def readable_form(topic: str, state: bytes, stream_id: UUID, version: int, ciphers: Ciphers) -> bytes:
    """What the codec can make an event of, given the keys of those people who have, or had, one."""
    if topic not in PERSONAL_TOPICS:
        return state
    # Nearly always it is the stream's own person, so that is looked at first, and once: to hash an id takes its time.
    cipher = ciphers.get(stream_id, ...)
    if cipher is ...:
        return _of_somebody_else(topic, state, stream_id, version, ciphers)
    try:
        if cipher is None:
            return without_personal(state, FORMS[topic].personal)
        if state[:1] != SEALED:  # recorded before there was sealing
            return state if state[:1] == JSON else UNREADABLE
        return unseal(cipher, state, stream_id, version, topic)
    except SealBrokenError:
        return UNREADABLE


def _of_somebody_else(topic: str, state: bytes, stream_id: UUID, version: int, ciphers: Ciphers) -> bytes:
    """The same of an event in a stream that is no person's, or of one who has no key."""
    if state[:1] != SEALED_FOR:
        return UNREADABLE if state[:1] == SEALED else state
    cipher = ciphers.get(subject_in(state, stream_id), ...)
    try:
        if cipher is None:
            return without_personal(state, FORMS[topic].personal)
        return UNREADABLE if cipher is ... else unseal_for(cipher, state, stream_id, version, topic)
    except SealBrokenError:
        return UNREADABLE


def open_rows(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], topics: frozenset[str]
) -> list[tuple[Any, ...]]:
    """Rows that begin with topic, state, stream and version, those of some topics opened, with one look at the keys."""
    subjects = subjects_in(rows, topics)
    if not subjects:
        return rows
    ciphers = load_ciphers(connection, subjects)
    return [open_row(row, ciphers) if row[0] in topics else row for row in rows]


def open_row(row: tuple[Any, ...], ciphers: Ciphers) -> tuple[Any, ...]:
    """One such row, opened."""
    return (row[0], readable_form(row[0], row[1], row[2], row[3], ciphers), *row[2:])


def subjects_in(rows: Iterable[tuple[Any, ...]], topics: frozenset[str] = PERSONAL_TOPICS) -> set[UUID]:
    """Whose keys are needed to open such rows of some topics."""
    return {subject_in(row[1], row[2]) for row in rows if row[0] in topics}


def subjects_elsewhere(rows: Iterable[tuple[Any, ...]], topics: frozenset[str]) -> set[UUID]:
    """Those of them whose streams these are not."""
    return {subject_in(row[1], row[2]) for row in rows if row[0] in topics and row[1][:1] == SEALED_FOR}
