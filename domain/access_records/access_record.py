"""Access records: that somebody has read personal data, and what for.

Nothing ever follows an access record, so each is a stream of its own: any number of processes write them without
getting into each other's way, and none ever stands on a person's stream. They name people by their ids only, and
outlive the person's erasure: who looked at them may be asked years later.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from domain.kernel import ALSO_ABOUT, Aggregate, AggregateEvent, records, serves
from domain.values import AccessPurpose


class Reading(StrEnum):
    """What was read."""

    PROFILE = "profile"
    LIST = "list"
    TIMELINE = "timeline"
    STATE = "state"
    DIFF = "diff"
    SEARCH = "search"
    EXPORT = "export"


# What the fields of events hold, and what for.
WhatWasRead = Annotated[Reading, serves("what was read")]
FirstAt = Annotated[datetime, serves("when the first reading was")]
"""The first of these readings, on the clock of the process that answered it."""
Whose = Annotated[tuple[UUID, ...], ALSO_ABOUT, serves("showing people and auditors who read their data")]
"""Nobody where the answer was of any length: then the query says what it held."""
WhatFor = Annotated[AccessPurpose | None, serves("showing why it was read")]
Query = Annotated[str | None, serves("showing what an export contained")]
HowMany = Annotated[int, serves("showing how many readings went unrecorded")]


class AccessRecord(Aggregate):
    """What one reader read within a moment, for one purpose; or that readings went unrecorded."""

    TOPIC = "access_record"
    IN_TIMELINE = False

    class Event(Aggregate.Event, frozen=True):
        """An event about readings."""

        TOPIC = "access_record.event"

    class PeopleRead(AggregateEvent, frozen=True):
        """Data of these people was read; by whom stands beside the event, as for every event."""

        TOPIC = "access_record.people_read"
        reading: WhatWasRead
        first_at: FirstAt
        user_ids: Whose = ()
        purpose: WhatFor = None
        query: Query = None

    class ReadingsLost(AggregateEvent, frozen=True):
        """So many readings could not be recorded, because the log took nothing for too long."""

        TOPIC = "access_record.readings_lost"
        count: HowMany
        first_at: FirstAt

    @records(PeopleRead)
    def people_read(
        self,
        reading: Reading,
        first_at: datetime,
        user_ids: tuple[UUID, ...] = (),
        purpose: AccessPurpose | None = None,
        query: str | None = None,
    ) -> None:
        """Record that data of people was read."""

    @records(ReadingsLost)
    def readings_lost(self, count: int, first_at: datetime) -> None:
        """Record that readings went unrecorded."""
