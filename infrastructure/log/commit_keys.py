"""Which keys a command needs: of the people whose personal data it records, and the one that seals why it was done."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.kernel import AggregateEvent
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.subject_keys import PLATFORM, SubjectKey, key_in
from infrastructure.log.event_codec import form_of


class PersonForgottenError(Exception):
    """Somebody whom the command is about has been erased since it was decided."""


class CommitKeys(msgspec.Struct, frozen=True):
    """The keys of one command, each once. One that is not stored yet is stored with the events."""

    keys: tuple[SubjectKey, ...] = ()
    """Seal what is personal about their people."""
    of_reason: SubjectKey | None = None
    """Seals why, which is about the person that the command's first event is about."""

    @classmethod
    def of_one(cls, key: SubjectKey) -> "CommitKeys":
        """For a command that is about one person in every way."""
        return cls((key,), key)


NO_KEYS = CommitKeys()


async def keys_for(events: Sequence[AggregateEvent], keys: SubjectKeys) -> CommitKeys:
    """The keys for the events of one command, of which there is at least one.

    Raises `KeyUnusableError` and `PersonForgottenError`.
    """
    # Few people, in a list: an id is compared by identity first, and hashed in Python.
    found: list[SubjectKey] = []
    reason_for = form_of(events[0]).subject_of(events[0]) or PLATFORM
    for event in events:
        form = form_of(event)
        if form.begins_person:
            found.append(keys.new(event.originator_id))
        elif form.forgets_subject:
            reason_for = PLATFORM  # why somebody was erased must still be readable when nothing else is
        if form.personal:
            subject_id = form.subject_of(event)
            if subject_id is not None and key_in(found, subject_id) is None:
                found.append(keys.kept(subject_id) or await _key_of(subject_id, keys, events))
    of_reason = key_in(found, reason_for)
    if of_reason is None:
        of_reason = keys.kept(reason_for) or await _reason_key(reason_for, keys, events)
        found.append(of_reason)
    return CommitKeys(tuple(found), of_reason)


async def _reason_key(subject_id: UUID, keys: SubjectKeys, events: Sequence[AggregateEvent]) -> SubjectKey:
    try:
        return await _key_of(subject_id, keys, events)
    except PersonForgottenError:
        if _is_stream(subject_id, events):
            raise
        # What others record about somebody who is gone, such as that they left, is still to be explained.
        return await _key_of(PLATFORM, keys, events)


async def _key_of(subject_id: UUID, keys: SubjectKeys, events: Sequence[AggregateEvent]) -> SubjectKey:
    key = await keys.to_seal(subject_id, in_own_stream=_is_stream(subject_id, events))
    if key is None:
        raise PersonForgottenError
    return key


def _is_stream(subject_id: UUID, events: Sequence[AggregateEvent]) -> bool:
    return any(event.originator_id == subject_id for event in events)
