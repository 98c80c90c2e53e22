"""The right to an email address: one address, one holder.

An address that somebody asked for and has not confirmed yet is reserved until an instant; then anybody may claim it.
Whose it is changes in the claim's stream only, so it has one holder whatever the clocks of different processes say.

The stream also says which mails the address is sent, and so how many: there are as many for all accounts together as
there are for one (docs/decisions/0028-mails-to-strangers.md).

The id of a claim is derived from a keyed hash of the address, so that the log's own version check refuses a second
holder, and the claim's stream holds no personal data.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from domain import errors
from domain.kernel import SUBJECT, Aggregate, AggregateEvent, records, serves
from domain.limits import AT_ONCE, Limit, remembered
from domain.values import has_passed

# What the fields of events hold, and what for.
Holder = Annotated[UUID, SUBJECT, serves("whose address it is")]
Asker = Annotated[UUID, SUBJECT, serves("who requested the address")]
ReservedUntil = Annotated[datetime | None, serves("until when the address is reserved")]
MailedAt = Annotated[datetime | None, serves("sending a mail to the address; limiting mails to it")]


class EmailClaim(Aggregate):
    """Who holds one address; vacant until somebody claims it, and again when it is released."""

    TOPIC = "email_claim"

    holder: UUID | None
    reserved_until: datetime | None
    """When the holder's right runs out; None if it does not."""
    last_reserved_until: datetime | None
    """When the last reservation ran out that nobody confirmed, or will."""
    mailed: tuple[datetime, ...]
    """The last instants at which it was decided that the address is sent a mail."""

    class Event(Aggregate.Event, frozen=True):
        """An event about one address."""

        TOPIC = "email_claim.event"

    class Claimed(AggregateEvent, frozen=True):
        """A user became the holder, for good or until an instant; a reservation that ran out before is void."""

        TOPIC = "email_claim.claimed"
        user_id: Holder
        reserved_until: ReservedUntil = None
        mailed_at: MailedAt = None

    class AskedFor(AggregateEvent, frozen=True):
        """A user requested an address that is theirs or nobody's: the first to confirm it becomes its holder."""

        TOPIC = "email_claim.asked_for"
        user_id: Asker
        mailed_at: MailedAt = None

    class Contested(AggregateEvent, frozen=True):
        """A user requested an address that another user has; it stays with the other user, who gets a mail."""

        TOPIC = "email_claim.contested"
        user_id: Asker
        mailed_at: MailedAt = None

    class Withdrawn(AggregateEvent, frozen=True):
        """A user who asked for the address and did not become its holder does not want it any more."""

        TOPIC = "email_claim.withdrawn"
        user_id: Asker

    class Released(AggregateEvent, frozen=True):
        """The holder gave the address up; anybody may claim it."""

        TOPIC = "email_claim.released"
        user_id: Holder

    @classmethod
    def blank(cls, stream_id: UUID) -> Self:
        """The claim of an address before anything is known of it: version 0, no holder."""
        claim = super().blank(stream_id)
        claim.holder = None
        claim.reserved_until = None
        claim.last_reserved_until = None
        claim.mailed = ()
        return claim

    def claim(self, user_id: UUID, now: datetime, *, is_mailed: bool = False) -> None:
        """Make a user the holder for good; nothing new if they are already. Raises `EmailTaken`."""
        if not self.is_free_for(user_id, now):
            raise errors.EmailTaken
        if self.holder != user_id or self.reserved_until:
            self._claimed(user_id, None, now if is_mailed else None)

    def may_be_mailed(self, now: datetime, limit: Limit) -> bool:
        """Whether the address can be sent one more mail."""
        return limit.wait(self.mailed, now) <= AT_ONCE

    def request(self, user_id: UUID, until: datetime, now: datetime, mails: Limit, *, is_told: bool) -> None:
        """Request the address: reserve it until an instant if it is available, and have a mail sent to it.

        It is reserved once, and then not again for the same length of time, whoever requests it: meanwhile the first to
        confirm it gets it. So nobody can block an address by repeated requests, even with several accounts.

        Callers who must not learn whose it is get one event in any case. For others this raises `EmailTaken` if another
        user has it. For them, and for its holder, it raises `TooManyEmailRequests` if the address has been sent as many
        mails as are allowed.
        """
        mailed_at = now if self.may_be_mailed(now, mails) else None
        is_free = self.is_free_for(user_id, now)
        if is_told and not is_free:
            raise errors.EmailTaken
        if mailed_at is None and (is_told or self._is_for_good(user_id)):
            raise errors.TooManyEmailRequests(mails.wait(self.mailed, now))
        if not is_free:
            self._contested(user_id, mailed_at)
        elif self._can_be_reserved(until, now):
            self._claimed(user_id, until, mailed_at)
        else:
            self._asked_for(user_id, mailed_at)

    def withdraw(self, user_id: UUID) -> None:
        """Withdraw a request: one event, whether or not the request made the user the holder."""
        if self.holder == user_id:
            self._released(user_id)
        else:
            self._withdrawn(user_id)

    def confirm(self, user_id: UUID, now: datetime) -> None:
        """Make who asked for it the holder for good. Raises `VerificationTokenInvalid` if somebody else has it."""
        if not self.is_free_for(user_id, now):
            raise errors.VerificationTokenInvalid
        if not self._is_for_good(user_id):
            self._claimed(user_id)

    def release(self, user_id: UUID) -> None:
        """Give the address up, if this user is its holder."""
        if self.holder == user_id:
            self._released(user_id)

    def is_free_for(self, user_id: UUID, now: datetime) -> bool:
        """Whether the address is this user's, or nobody's."""
        has_run_out = self.reserved_until is not None and has_passed(self.reserved_until, now)
        return self.holder in {None, user_id} or has_run_out

    def follow(self, leader: Self) -> None:
        """Come to say what another claim of the same address says; nothing new if it does."""
        if self.says_the_same(leader):
            return
        if self.holder is not None and (self.holder != leader.holder or self.reserved_until is None):
            self._released(self.holder)
        if leader.holder is not None:
            self._claimed(leader.holder, leader.reserved_until)

    def says_the_same(self, other: Self) -> bool:
        """Whether two claims have the same holder, for as long."""
        return (self.holder, self.reserved_until) == (other.holder, other.reserved_until)

    def _is_for_good(self, user_id: UUID) -> bool:
        return self.holder == user_id and self.reserved_until is None

    def _can_be_reserved(self, until: datetime, now: datetime) -> bool:
        """Not what somebody has, and not before it was free for as long as it is to be reserved."""
        if self.holder is not None and self.reserved_until is None:
            return False
        return self.last_reserved_until is None or has_passed(self.last_reserved_until + (until - now), now)

    @records(Claimed)
    def _claimed(
        self, user_id: UUID, reserved_until: datetime | None = None, mailed_at: datetime | None = None
    ) -> None:
        self.holder = user_id
        self.reserved_until = reserved_until
        self.last_reserved_until = reserved_until
        self.mailed = remembered(self.mailed, mailed_at)

    @records(AskedFor)
    def _asked_for(self, user_id: UUID, mailed_at: datetime | None = None) -> None:  # noqa: ARG002 - the event says who
        self.mailed = remembered(self.mailed, mailed_at)

    @records(Contested)
    def _contested(self, user_id: UUID, mailed_at: datetime | None = None) -> None:  # noqa: ARG002 - the event says who
        self.mailed = remembered(self.mailed, mailed_at)

    @records(Withdrawn)
    def _withdrawn(self, user_id: UUID) -> None:
        """Whose it is has not changed; the event says who does not want it."""

    @records(Released)
    def _released(self, user_id: UUID) -> None:  # noqa: ARG002 - the event says whose it was
        self.holder = None
        self.reserved_until = None
