"""The content of a package.

Staff appear by role: people may know when and why staff acted, but not which member of staff.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from api.history.person_views import PersonFactView, role_of
from api.http.views import Instant, View
from api.users.views import UserView
from application.access_records.access_log import AccessEntry
from application.history.queries import TimelineItem


class PackageView(View, frozen=True):
    """A description of the package."""

    export_id: UUID
    user_id: UUID
    requested_at: Instant
    """Everything is as of this moment."""
    position: int
    """The same moment, as a log position."""
    complete: bool
    """Whether everything can be read. If not, the profile is null, and `timeline.json` says which events cannot."""
    files: dict[str, str]
    """The schema of each data file."""


class ConsentRecord(View, frozen=True):
    """A consent that the person gave or withdrew."""

    recorded_at: Instant
    occurred_at: Instant | None
    """When, according to the system that the person came from; null if it was here."""
    purpose: str
    granted: bool
    document_version: str


class ReadingRecord(View, frozen=True):
    """Somebody else read data of the person."""

    recorded_at: Instant
    first_at: Instant
    reading: str | None
    by: str | None
    """In which role, never by whom."""
    purpose: str | None


FILES: Mapping[str, Any] = {
    "profile.json": UserView | None,
    "consents.json": list[ConsentRecord],
    "timeline.json": list[PersonFactView],
    "accesses.json": list[ReadingRecord],
}
"""The data files, and the type of each."""


def schema_of(file: str) -> bytes:
    """The JSON Schema (2020-12) of a file of data."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": file}
    return msgspec.json.format(msgspec.json.encode(schema | msgspec.json.schema(FILES[file])))


def consent_record(item: TimelineItem) -> ConsentRecord | None:
    """The event as a consent record; None if it is about something else, or only `timeline.json` can say that it is."""
    granted = {"user.consent_granted": True, "user.consent_withdrawn": False}.get(item.entry.topic)
    if granted is None or item.data is None:
        return None
    return ConsentRecord(
        recorded_at=item.entry.recorded_at,
        occurred_at=msgspec.convert(item.data.get("occurredAt"), Instant | None),
        purpose=item.data["purpose"],
        granted=granted,
        document_version=item.data["documentVersion"],
    )


def reading_record(entry: AccessEntry, user_id: UUID) -> ReadingRecord:
    """One access record, without the other people whose data was read at the same time."""
    return ReadingRecord(
        recorded_at=entry.recorded_at,
        first_at=entry.first_at,
        reading=entry.reading,
        by=role_of(entry.actor, user_id),
        purpose=entry.purpose,
    )
