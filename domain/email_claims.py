"""The right to an email address: one address, one holder.

The id of a claim is derived from a keyed hash of the address, so that the log's own version check refuses a second
holder, and the claim's stream holds no personal data.
"""

from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from domain import errors
from domain.kernel import Aggregate, AggregateEvent, records


class EmailClaim(Aggregate):
    """Who holds one address; vacant until somebody claims it, and again when it is released."""

    TOPIC = "email_claim"

    holder: UUID | None

    class Event(Aggregate.Event, frozen=True):
        """A fact about one address."""

        TOPIC = "email_claim.event"

    class Claimed(AggregateEvent, frozen=True):
        """A user became the holder."""

        TOPIC = "email_claim.claimed"
        user_id: UUID

    class Released(AggregateEvent, frozen=True):
        """The holder gave the address up; anybody may claim it."""

        TOPIC = "email_claim.released"
        user_id: UUID

    @classmethod
    def vacant(cls, claim_id: UUID) -> Self:
        """The claim of an address before anything is known of it: version 0, no holder."""
        claim = cls.__new__(cls)
        claim.__base_init__(claim_id, 0, datetime.min.replace(tzinfo=UTC))
        claim.holder = None
        return claim

    def claim(self, user_id: UUID) -> None:
        """Make a user the holder; nothing new if they are already. Raises `EmailTaken`."""
        if self.holder is None:
            self._claimed(user_id)
        elif self.holder != user_id:
            raise errors.EmailTaken

    def release(self, user_id: UUID) -> None:
        """Give the address up, if this user is its holder."""
        if self.holder == user_id:
            self._released(user_id)

    @records(Claimed)
    def _claimed(self, user_id: UUID) -> None:
        self.holder = user_id

    @records(Released)
    def _released(self, user_id: UUID) -> None:  # noqa: ARG002 - the event says whose it was
        self.holder = None
