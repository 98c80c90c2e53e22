"""Exports: that a person's data was put together, to be handed to them (GDPR, articles 15 and 20)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from domain import errors
from domain.kernel import Aggregate, AggregateEvent, records, serves
from domain.users import User

# What the fields of events hold, and what for.
Subject = Annotated[UUID, serves("whose data is exported")]
GoodUntil = Annotated[datetime, serves("until when the export can be downloaded")]


class DataExport(Aggregate):
    """Everything that is held about one person, as of the moment at which it was asked for.

    A stream of its own, because asking changes nothing about the account.
    """

    TOPIC = "data_export"

    class Event(Aggregate.Event, frozen=True):
        """A fact about an export."""

        TOPIC = "data_export.event"

    class Requested(AggregateEvent, frozen=True):
        """Somebody asked for all that is held about a person; by whom stands beside the event."""

        TOPIC = "data_export.requested"
        user_id: Subject
        good_until: GoodUntil

    def request(self, user: User, good_until: datetime) -> None:
        """Ask for all that is held about a person. Raises `UserIsErased`; no other state of an account forbids it."""
        if user.erased:
            raise errors.UserIsErased
        self._requested(user.id, good_until)

    @records(Requested)
    def _requested(self, user_id: UUID, good_until: datetime) -> None:
        self.user_id = user_id
        self.good_until = good_until
