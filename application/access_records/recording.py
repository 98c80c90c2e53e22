"""Access records: staff who read personal data go on record (docs/decisions/0015-access-records.md)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from application.access_records.access_log import AccessEntry
from application.access_tokens import Access
from application.actors import Actor, Role
from application.queries import Page, PageRequest
from application.record_filters import ActorName
from domain.access_records.access_record import Reading
from domain.values import AccessPurpose


class Reader(msgspec.Struct, frozen=True):
    """Who reads, and what for."""

    actor: Actor
    purpose: AccessPurpose | None = None


class AccessFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which access records; what is not given does not matter."""

    user_id: UUID | None = None
    """Data of this person was read."""
    actor: ActorName | None = None
    reading: Reading | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None
    """Exclusive."""


class Accesses(Protocol):
    """What is noted is recorded within about a second, by one record for all that one reader read of one kind."""

    lost: int
    """Readings that this process could not record, because more of them waited than can."""

    @property
    def waiting(self) -> int:
        """Readings that are not in the log yet."""
        ...

    def note(self, reader: Reader, reading: Reading, user_ids: Iterable[UUID], query: str | None = None) -> None:
        """Record that a reader got data of these people, or what a query finds.

        Takes microseconds, never waits and never fails. The same reading within a minute is recorded once.
        """
        ...


class AccessLog(Protocol):
    """What is on record."""

    async def page(self, wanted: AccessFilter, page: PageRequest) -> Page[AccessEntry]:
        """Access records in the order of the log. Raises like `Directory.page`."""
        ...


def goes_on_record(access: Access, user_ids: Sequence[UUID]) -> bool:
    """Whether a reading is recorded: not that of services for themselves, nor people's of their own data.

    It matters whose permission is used, and that nobody else uses it: what a program says of itself does not.
    """
    if access.is_delegated:
        return True
    if access.role is Role.USER:
        return not (len(user_ids) == 1 and access.is_own(str(user_ids[0])))
    return access.role is not Role.SERVICE
