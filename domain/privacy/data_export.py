"""Exports of a person's data for that person (GDPR, articles 15 and 20)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from domain import errors
from domain.kernel import SUBJECT, Aggregate, AggregateEvent, records, serves
from domain.users import User

# What the fields of events hold, and what for.
Subject = Annotated[UUID, SUBJECT, serves("whose data is exported")]
GoodUntil = Annotated[datetime, serves("until when the export can be downloaded")]


class DataExport(Aggregate):
    """An export: everything that is stored about one person, as of the moment of the request.

    It has a stream of its own, because a request does not change the account.
    """

    TOPIC = "data_export"

    class Event(Aggregate.Event, frozen=True):
        """An event about an export."""

        TOPIC = "data_export.event"

    class Requested(AggregateEvent, frozen=True):
        """Somebody requested a person's data; the metadata of the event says who."""

        TOPIC = "data_export.requested"
        user_id: Subject
        good_until: GoodUntil

    def request(self, user: User, good_until: datetime) -> None:
        """Request an export. Raises `UserIsErased`; no other state of an account forbids it."""
        if user.erased:
            raise errors.UserIsErased
        self._requested(user.id, good_until)

    @records(Requested)
    def _requested(self, user_id: UUID, good_until: datetime) -> None:
        self.user_id = user_id
        self.good_until = good_until
