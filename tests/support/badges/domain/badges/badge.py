"""A badge that one person gave another, with some words that are the receiver's."""

from typing import Annotated
from uuid import UUID

from domain.badges.errors import BadgeNotFound
from domain.kernel import ALSO_ABOUT, SUBJECT, Aggregate, AggregateCreated, AggregateEvent, Personal, records, serves

# What the fields of events hold, and what for.
Receiver = Annotated[UUID, SUBJECT, serves("whose badge it is")]
Giver = Annotated[UUID, ALSO_ABOUT, serves("who gave it")]
Words = Annotated[Personal[str], serves("telling the receiver what for")]


class Badge(Aggregate):
    """One badge."""

    TOPIC = "badge"
    NOT_FOUND = BadgeNotFound

    class Event(Aggregate.Event, frozen=True):
        """An event about a badge."""

        TOPIC = "badge.event"

    class Awarded(AggregateCreated, frozen=True):
        """Somebody gave it to somebody."""

        TOPIC = "badge.awarded"
        user_id: Receiver
        giver_id: Giver
        words: Words

    class Withdrawn(AggregateEvent, frozen=True):
        """It was taken back."""

        TOPIC = "badge.withdrawn"
        user_id: Receiver
        giver_id: Giver

    @records(Awarded)
    def __init__(self, user_id: UUID, giver_id: UUID, words: str) -> None:
        self.user_id = user_id
        self.giver_id = giver_id
        self.words = words
        self.withdrawn = False

    def withdraw(self) -> None:
        """Take it back; once."""
        if not self.withdrawn:
            self._withdrawn(self.user_id, self.giver_id)

    @records(Withdrawn)
    def _withdrawn(self, user_id: UUID, giver_id: UUID) -> None:
        self.withdrawn = True
