"""Keys for tests that write to the log below the platform."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from domain.kernel import AggregateEvent
from infrastructure.encryption.opening import opened_keys
from infrastructure.encryption.subject_keys import SubjectKey
from infrastructure.log.append import Commit
from infrastructure.log.commit_keys import CommitKeys
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.settings import Settings
from tests.support.running import context


class NewKeys:
    """People's keys, each stored with the first events of its owner."""

    def __init__(self, keys: dict[UUID, SubjectKey]) -> None:
        self._keys = keys
        self._stored: set[UUID] = set()

    def commit(self, events: Sequence[AggregateEvent]) -> Commit:
        """A command with these events, which are those of one person."""
        key = self._keys[events[0].originator_id]
        if key.subject_id in self._stored:
            key = SubjectKey(key.subject_id, key.cipher)
        self._stored.add(key.subject_id)
        return Commit(metadata=context().metadata, events=events, keys=CommitKeys.of_one(key))


async def new_keys(settings: Settings, conninfo: str, people: Iterable[UUID]) -> NewKeys:
    """Keys for people who are not in the log yet."""
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        keys = await opened_keys(settings, pool)
        return NewKeys({user_id: keys.new(user_id) for user_id in people})
