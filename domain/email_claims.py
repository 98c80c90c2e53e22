"""The right to an email address: one address, one holder.

An address that somebody asked for and has not confirmed yet is reserved until an instant; then anybody may claim it.
Whose it is changes in the claim's stream only, so it has one holder whatever the clocks of different processes say.

The id of a claim is derived from a keyed hash of the address, so that the log's own version check refuses a second
holder, and the claim's stream holds no personal data.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from domain import errors
from domain.kernel import Aggregate, AggregateEvent, records, serves
from domain.values import has_passed

# What the fields of events hold, and what for.
Holder = Annotated[UUID, serves("whose address it is")]
ReservedUntil = Annotated[datetime | None, serves("until when it is kept for who asked for it")]


class EmailClaim(Aggregate):
    """Who holds one address; vacant until somebody claims it, and again when it is released."""

    TOPIC = "email_claim"

    holder: UUID | None
    reserved_until: datetime | None
    """When the holder's right runs out; None if it does not."""

    class Event(Aggregate.Event, frozen=True):
        """A fact about one address."""

        TOPIC = "email_claim.event"

    class Claimed(AggregateEvent, frozen=True):
        """A user became the holder, for good or until an instant; a reservation that ran out before is void."""

        TOPIC = "email_claim.claimed"
        user_id: Holder
        reserved_until: ReservedUntil = None

    class Released(AggregateEvent, frozen=True):
        """The holder gave the address up; anybody may claim it."""

        TOPIC = "email_claim.released"
        user_id: Holder

    @classmethod
    def vacant(cls, claim_id: UUID) -> Self:
        """The claim of an address before anything is known of it: version 0, no holder."""
        claim = cls.blank(claim_id)
        claim.holder = None
        claim.reserved_until = None
        return claim

    def claim(self, user_id: UUID, now: datetime) -> None:
        """Make a user the holder for good; nothing new if they are already. Raises `EmailTaken`."""
        self._must_be_free_for(user_id, now)
        if self.holder != user_id or self.reserved_until:
            self._claimed(user_id)

    def reserve(self, user_id: UUID, until: datetime, now: datetime) -> None:
        """Make a user the holder until an instant, unless they are it for good. Raises `EmailTaken`."""
        self._must_be_free_for(user_id, now)
        if self.holder != user_id or self.reserved_until not in {None, until}:
            self._claimed(user_id, until)

    def confirm(self, user_id: UUID) -> None:
        """Make what is reserved the holder's for good. Raises `VerificationTokenInvalid` if somebody else has it."""
        if self.holder != user_id:
            raise errors.VerificationTokenInvalid
        if self.reserved_until:
            self._claimed(user_id)

    def release(self, user_id: UUID) -> None:
        """Give the address up, if this user is its holder."""
        if self.holder == user_id:
            self._released(user_id)

    def _must_be_free_for(self, user_id: UUID, now: datetime) -> None:
        has_run_out = self.reserved_until is not None and has_passed(self.reserved_until, now)
        if self.holder not in {None, user_id} and not has_run_out:
            raise errors.EmailTaken

    @records(Claimed)
    def _claimed(self, user_id: UUID, reserved_until: datetime | None = None) -> None:
        self.holder = user_id
        self.reserved_until = reserved_until

    @records(Released)
    def _released(self, user_id: UUID) -> None:  # noqa: ARG002 - the event says whose it was
        self.holder = None
        self.reserved_until = None
