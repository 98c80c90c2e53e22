"""Access records, as the API returns them."""

from uuid import UUID

import msgspec

from api.http.views import Instant, View
from application.access_records.access_log import AccessEntry
from domain.access_records.access_record import Reading


class AccessView(View, frozen=True):
    """What one reader read at about the same time, for one purpose."""

    position: int
    recorded_at: Instant
    reading: Reading | None
    """Null if readings went unrecorded; `lost` says how many."""
    first_at: Instant
    """When the first of these readings was answered."""
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    purpose: str | None
    query: str | None
    """The filter of an export."""
    user_ids: list[UUID]
    """Whose data it was; for an export without `user`, see the query."""
    lost: int


def access_view(entry: AccessEntry) -> AccessView:
    """One access record."""
    told = msgspec.structs.asdict(entry)
    return AccessView(**told | {"reading": entry.reading and Reading(entry.reading)})
