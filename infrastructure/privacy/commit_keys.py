"""Which keys a command needs: of the people whose personal data it records, and the one that seals why it was done."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import msgspec

from domain.kernel import AggregateEvent, begins_person, subject_of
from infrastructure.event_codec import form_of
from infrastructure.privacy.key_cache import SubjectKeys
from infrastructure.privacy.subject_keys import PLATFORM, SubjectKey


class PersonForgottenError(Exception):
    """Somebody whom the command is about has been erased since it was decided."""


class CommitKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one command."""

    of_people: Mapping[UUID, SubjectKey] = msgspec.field(default_factory=dict)
    """Seal what is personal, by person; those that are not stored yet are stored with the events."""
    of_reason: SubjectKey | None = None
    """Seals why, which is about the person that the command's first event is about."""

    @classmethod
    def of_one(cls, key: SubjectKey) -> "CommitKeys":
        """For a command that is about one person in every way."""
        return cls(of_people={key.subject_id: key}, of_reason=key)

    def __iter__(self) -> Iterator[SubjectKey]:
        """Each once."""
        yield from self.of_people.values()
        if self.of_reason is not None and self.of_reason.subject_id not in self.of_people:
            yield self.of_reason


NO_KEYS = CommitKeys()


async def keys_for(events: Sequence[AggregateEvent], keys: SubjectKeys) -> CommitKeys:
    """The keys for the events of one command, of which there is at least one.

    Raises `KeyUnusableError` and `PersonForgottenError`.
    """
    streams = {event.originator_id for event in events}
    new = {event.originator_id for event in events if begins_person(event)}
    of_people: dict[UUID, SubjectKey] = {}
    for subject_id in _sealed_for(events):
        of_people[subject_id] = await _key_of(subject_id, keys, streams, new)
    reason_for = _reason_for(events)
    of_reason = of_people.get(reason_for)
    if of_reason is None:
        of_reason = await _reason_key(reason_for, keys, streams, new)
    return CommitKeys(of_people=of_people, of_reason=of_reason)


def _sealed_for(events: Sequence[AggregateEvent]) -> dict[UUID, None]:
    """Those about whom something personal is said, each once."""
    subjects = (subject_of(event) for event in events if form_of(event).personal)
    return dict.fromkeys(subject_id for subject_id in subjects if subject_id is not None)


def _reason_for(events: Sequence[AggregateEvent]) -> UUID:
    # Why somebody was erased must still be readable when nothing else is.
    if any(event.FORGETS_SUBJECT for event in events):
        return PLATFORM
    return subject_of(events[0]) or PLATFORM


async def _reason_key(subject_id: UUID, keys: SubjectKeys, streams: set[UUID], new: set[UUID]) -> SubjectKey:
    try:
        return await _key_of(subject_id, keys, streams, new)
    except PersonForgottenError:
        if subject_id in streams:
            raise
        # What others record about somebody who is gone, such as that they left, is still to be explained.
        return await _key_of(PLATFORM, keys, streams, new)


async def _key_of(subject_id: UUID, keys: SubjectKeys, streams: set[UUID], new: set[UUID]) -> SubjectKey:
    if subject_id in new:
        return keys.new(subject_id)
    key = await keys.to_seal(subject_id, in_own_stream=subject_id in streams)
    if key is None:
        raise PersonForgottenError
    return key
