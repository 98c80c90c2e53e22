"""What is in a package, in the form it has there.

Staff are named by their role: a person has a right to know when and what for, not who of the staff it was.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from api.person_views import PersonFactView, role_of
from api.views import Instant, UserView, View
from application.access_log import AccessEntry
from application.queries import TimelineItem


class PackageView(View, frozen=True):
    """What the package is."""

    export_id: UUID
    user_id: UUID
    requested_at: Instant
    """Everything is as of this moment."""
    position: int
    """The same moment, as a position of the log."""
    files: dict[str, str]
    """Each file of data, and its schema."""


class ConsentRecord(View, frozen=True):
    """What the person once said about a purpose."""

    recorded_at: Instant
    occurred_at: Instant | None
    """When the person said it to the system that they came from; null if they said it here."""
    purpose: str
    granted: bool
    document_version: str


class ReadingRecord(View, frozen=True):
    """Somebody else read data of the person."""

    recorded_at: Instant
    first_at: Instant
    reading: str | None
    by: str | None
    """In which role; never who it was."""
    purpose: str | None


FILES: Mapping[str, Any] = {
    "profile.json": UserView,
    "consents.json": list[ConsentRecord],
    "timeline.json": list[PersonFactView],
    "accesses.json": list[ReadingRecord],
}
"""The files of data, and the form of each."""


def schema_of(file: str) -> bytes:
    """The JSON Schema (2020-12) of a file of data."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": file}
    return msgspec.json.format(msgspec.json.encode(schema | msgspec.json.schema(FILES[file])))


def consent_record(item: TimelineItem) -> ConsentRecord | None:
    """The same fact, if it is about a consent."""
    granted = {"user.consent_granted": True, "user.consent_withdrawn": False}.get(item.entry.topic)
    if granted is None:
        return None
    return ConsentRecord(
        recorded_at=item.entry.recorded_at,
        occurred_at=msgspec.convert(item.data.get("occurredAt"), Instant | None),
        purpose=item.data["purpose"],
        granted=granted,
        document_version=item.data["documentVersion"],
    )


def reading_record(entry: AccessEntry, user_id: UUID) -> ReadingRecord:
    """One access record; of other people whose data was read at the same time it says nothing."""
    return ReadingRecord(
        recorded_at=entry.recorded_at,
        first_at=entry.first_at,
        reading=entry.reading,
        by=role_of(entry.actor, user_id),
        purpose=entry.purpose,
    )
