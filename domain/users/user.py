"""The user account: its events, and when each of them is allowed."""

from datetime import datetime
from typing import Annotated, Self, cast
from uuid import UUID

import msgspec

from domain import errors
from domain.kernel import Aggregate, AggregateCreated, AggregateEvent, Personal, records, serves
from domain.limits import AT_ONCE, Limit, remembered
from domain.users.values import BirthDate, DisplayName, DocumentVersion, ExternalId, Purpose, UserStatus
from domain.values import ERASED, Country, EmailAddress, Locale, Reason, email_key, has_passed

CONSENT_LIMIT = 50
"""Purposes that one person can have said something about: many times what a product asks for.

Without a limit anybody could make their account as heavy as they like.
"""

# What the fields of events hold, and what for.
ContactAddress = Annotated[Personal[EmailAddress], serves("contacting the person; one account per address")]
ShownName = Annotated[Personal[DisplayName], serves("the name that others see")]
DayOfBirth = Annotated[Personal[BirthDate | None], serves("checking the minimum age; choosing content for minors")]
ForeignId = Annotated[Personal[ExternalId | None], serves("identifying the person in the system they came from")]
StaffReason = Annotated[Personal[Reason], serves("accounting for what staff did to the account")]
HomeCountry = Annotated[Country, serves("choosing the law, prices and catalogue that apply")]
PreferredLocale = Annotated[Locale | None, serves("choosing language and regional formats")]
ContentFilter = Annotated[bool, serves("choosing content for the person")]
ConsentPurpose = Annotated[Purpose, serves("proving what the person consented to")]
ShownDocument = Annotated[DocumentVersion, serves("proving which text the person consented to")]
ConfirmBy = Annotated[datetime, serves("until when the mailed token is valid")]
AskedAt = Annotated[datetime | None, serves("limiting the mails that an account can request")]
OccurredAt = Annotated[datetime | None, serves("when it happened, according to the system that the person came from")]
EraseAfter = Annotated[datetime, serves("when the grace period ends")]


class Consent(msgspec.Struct, frozen=True):
    """What a person last said about one purpose, and about which version of its text."""

    granted: bool
    document_version: DocumentVersion


class EmailRequest(msgspec.Struct, frozen=True):
    """A question that waits for an answer: does this address belong to this person?"""

    email: EmailAddress
    confirm_by: datetime
    asked_at_version: int


class User(Aggregate):
    """One person's account."""

    TOPIC = "user"
    NOT_FOUND = errors.UserNotFound
    IS_PERSON = True
    REMEMBERED = True

    class Event(Aggregate.Event, frozen=True):
        """An event of a user."""

        TOPIC = "user.event"

    class Registered(AggregateCreated, frozen=True):
        """A person got an account."""

        TOPIC = "user.registered"
        email: ContactAddress
        display_name: ShownName
        country: HomeCountry
        locale: PreferredLocale = None
        birth_date: DayOfBirth = None
        explicit_content_filter: ContentFilter = False
        external_id: ForeignId = None
        confirm_by: ConfirmBy | None = None
        occurred_at: OccurredAt = None

    class EmailVerificationRequested(AggregateEvent, frozen=True):
        """The person was asked (again) to show that the address is theirs."""

        TOPIC = "user.email_verification_requested"
        confirm_by: ConfirmBy
        asked_at: AskedAt = None

    class EmailVerified(AggregateEvent, frozen=True):
        """The person showed that they receive mail at the address."""

        TOPIC = "user.email_verified"

    class EmailChangeRequested(AggregateEvent, frozen=True):
        """The person asked for another address, which becomes theirs when they confirm it, if it is free then."""

        TOPIC = "user.email_change_requested"
        email: ContactAddress
        confirm_by: ConfirmBy
        asked_at: AskedAt = None

    class EmailChangeWithdrawn(AggregateEvent, frozen=True):
        """The person stays with the present address."""

        TOPIC = "user.email_change_withdrawn"

    class EmailChanged(AggregateEvent, frozen=True):
        """The person confirmed the other address, which is now theirs and verified."""

        TOPIC = "user.email_changed"
        email: ContactAddress

    class DisplayNameChanged(AggregateEvent, frozen=True):
        """The person goes by another name."""

        TOPIC = "user.display_name_changed"
        display_name: ShownName

    class CountryChanged(AggregateEvent, frozen=True):
        """The account belongs to another country."""

        TOPIC = "user.country_changed"
        country: HomeCountry

    class LocaleChanged(AggregateEvent, frozen=True):
        """The person prefers another language and region, or none."""

        TOPIC = "user.locale_changed"
        locale: PreferredLocale

    class BirthDateChanged(AggregateEvent, frozen=True):
        """The birth date was given, corrected or withdrawn."""

        TOPIC = "user.birth_date_changed"
        birth_date: DayOfBirth

    class ExplicitContentFilterChanged(AggregateEvent, frozen=True):
        """Explicit content is hidden, or shown, from now on."""

        TOPIC = "user.explicit_content_filter_changed"
        explicit_content_filter: ContentFilter

    class ConsentGranted(AggregateEvent, frozen=True):
        """The person agreed to a purpose, as described in a version of a document."""

        TOPIC = "user.consent_granted"
        purpose: ConsentPurpose
        document_version: ShownDocument
        occurred_at: OccurredAt = None

    class ConsentWithdrawn(AggregateEvent, frozen=True):
        """The person refused a purpose, or does not agree to it any more."""

        TOPIC = "user.consent_withdrawn"
        purpose: ConsentPurpose
        document_version: ShownDocument
        occurred_at: OccurredAt = None

    class Suspended(AggregateEvent, frozen=True):
        """Staff closed the account to its owner."""

        TOPIC = "user.suspended"
        reason: StaffReason
        occurred_at: OccurredAt = None

    class Reinstated(AggregateEvent, frozen=True):
        """Staff opened the account again."""

        TOPIC = "user.reinstated"
        reason: StaffReason

    class Deactivated(AggregateEvent, frozen=True):
        """The person put the account to rest."""

        TOPIC = "user.deactivated"
        occurred_at: OccurredAt = None

    class Reactivated(AggregateEvent, frozen=True):
        """The person took the account up again."""

        TOPIC = "user.reactivated"

    class DeletionRequested(AggregateEvent, frozen=True):
        """The account will be erased when the grace period ends."""

        TOPIC = "user.deletion_requested"
        erase_after: EraseAfter

    class DeletionWithdrawn(AggregateEvent, frozen=True):
        """The account stays after all."""

        TOPIC = "user.deletion_withdrawn"

    class Erased(AggregateEvent, frozen=True):
        """Nothing of the person is left; the account can never come back."""

        TOPIC = "user.erased"
        FORGETS_SUBJECT = True

    @records(Registered)
    def __init__(  # noqa: PLR0913, PLR0917 - as many as the fact has fields
        self,
        email: EmailAddress,
        display_name: DisplayName,
        country: Country,
        locale: Locale | None = None,
        birth_date: BirthDate | None = None,
        explicit_content_filter: bool = False,  # noqa: FBT001, FBT002 - the library mistakes keyword-only defaults
        external_id: ExternalId | None = None,
        confirm_by: datetime | None = None,
        occurred_at: datetime | None = None,
    ) -> None:
        self.email = email
        self.email_verified = False
        self.display_name = display_name
        self.country = country
        self.locale = locale
        self.birth_date = birth_date
        self.explicit_content_filter = explicit_content_filter
        self.external_id = external_id
        self.consents: dict[Purpose, Consent] = {}
        self.email_request = EmailRequest(email, confirm_by, self.version) if confirm_by else None
        self.email_requests: tuple[datetime, ...] = ()
        """The last instants at which a mail was asked for."""
        self.suspended = False
        self.deactivated = False
        self.erase_after: datetime | None = None
        self.erased = False
        self.began_elsewhere_at = occurred_at
        """When the person got the account that they brought along; None if they began here."""

    @classmethod
    def unread(cls, user_id: UUID, version: int, *, erased: bool) -> Self:
        """A user whose history cannot be read: known are their version, and whether they are erased.

        That is enough to erase them and to hand out what is stored of them, and for nothing else.
        """
        user = cls.blank(user_id)
        user.version = version
        user.consents = {}
        user.erase_after = None
        user.erased = erased
        return user

    def twin(self) -> Self:
        """One with the same state that can be changed by itself."""
        twin = super().twin()
        # One mapping for each user and not one for each answer: histories may be long.
        twin.consents = self.consents.copy()
        return twin

    @property
    def status(self) -> UserStatus:
        """What the account is now: the gravest of all that applies."""
        if self.erased:
            return UserStatus.ERASED
        if self.erase_after:
            return UserStatus.DELETION_REQUESTED
        if self.suspended:
            return UserStatus.SUSPENDED
        return UserStatus.DEACTIVATED if self.deactivated else UserStatus.ACTIVE

    @property
    def created_at(self) -> datetime:
        """When the person got the account, here or where they came from."""
        return self.began_elsewhere_at or self.created_on

    @property
    def pending_email(self) -> EmailAddress | None:
        """The other address that waits to be confirmed."""
        return self.email_request.email if self.email_request and self.email_request.email != self.email else None

    def request_email_change(self, email: EmailAddress, confirm_by: datetime, now: datetime, limit: Limit) -> None:
        """Ask for another address; or stay with the present one, and be asked to verify it if that is still open.

        Asking again does not move the deadline. Raises `TooManyEmailRequests`.
        """
        self.must_be_open()
        if email != self.email:
            self._must_not_ask_too_often(now, limit)
            self._email_change_requested(email, self._deadline(email, confirm_by, now), now)
            return
        if not self.email_verified:
            self._must_not_ask_too_often(now, limit)
        if self.pending_email:
            self._email_change_withdrawn()
        if not self.email_verified:
            self._email_verification_requested(confirm_by, now)

    def confirm_email(self, now: datetime) -> None:
        """Take the question about the address as answered. Raises `VerificationTokenInvalid` if none is open."""
        self.must_be_open()
        request = self.email_request
        if request is None or has_passed(request.confirm_by, now):
            raise errors.VerificationTokenInvalid
        if request.email == self.email:
            self._email_verified()
        else:
            self._email_changed(request.email)

    def accept_email(self) -> None:
        """Take the address as verified, because the system that the person came from had verified it."""
        self.must_be_open()
        if not self.email_verified:
            self._email_verified()

    def change_display_name(self, display_name: DisplayName) -> None:
        """Go by another name."""
        self.must_be_open()
        if display_name != self.display_name:
            self._display_name_changed(display_name)

    def change_country(self, country: Country) -> None:
        """Belong to another country."""
        self.must_be_open()
        if country != self.country:
            self._country_changed(country)

    def change_locale(self, locale: Locale | None) -> None:
        """Prefer another language and region."""
        self.must_be_open()
        if locale != self.locale:
            self._locale_changed(locale)

    def change_birth_date(self, birth_date: BirthDate | None) -> None:
        """Give, correct or withdraw the birth date."""
        self.must_be_open()
        if birth_date != self.birth_date:
            self._birth_date_changed(birth_date)

    def change_explicit_content_filter(self, *, explicit_content_filter: bool) -> None:
        """Hide or show explicit content."""
        self.must_be_open()
        if explicit_content_filter != self.explicit_content_filter:
            self._explicit_content_filter_changed(explicit_content_filter=explicit_content_filter)

    def record_consent(
        self,
        purpose: Purpose,
        document_version: DocumentVersion,
        *,
        granted: bool,
        occurred_at: datetime | None = None,
    ) -> None:
        """Say yes or no to a purpose; a right that neither suspension nor a pending deletion takes away.

        Raises `TooManyConsentPurposes` for more purposes than are allowed; existing consents can always be changed.
        """
        self.must_be_there()
        present = self.consents.get(purpose)
        if present and (present.granted, present.document_version) == (granted, document_version):
            return
        if present is None and len(self.consents) >= CONSENT_LIMIT:
            raise errors.TooManyConsentPurposes
        (self._consent_granted if granted else self._consent_withdrawn)(purpose, document_version, occurred_at)

    def suspend(self, reason: Reason, occurred_at: datetime | None = None) -> None:
        """Close the account to its owner (staff)."""
        self.must_be_there()
        if not self.suspended:
            self._suspended(reason, occurred_at)

    def reinstate(self, reason: Reason) -> None:
        """Open the account to its owner again (staff)."""
        self.must_be_there()
        if self.suspended:
            self._reinstated(reason)

    def deactivate(self, occurred_at: datetime | None = None) -> None:
        """Put the account to rest."""
        self.must_be_there()
        self._must_not_be_suspended()
        self._must_not_wait_for_deletion()
        if not self.deactivated:
            self._deactivated(occurred_at)

    def reactivate(self) -> None:
        """Take the account up again."""
        self.must_be_there()
        self._must_not_be_suspended()
        self._must_not_wait_for_deletion()
        if self.deactivated:
            self._reactivated()

    def request_deletion(self, erase_after: datetime) -> None:
        """Have the account erased after a grace period; a right that suspension does not take away."""
        self.must_be_there()
        if not self.erase_after:
            self._deletion_requested(erase_after)

    def withdraw_deletion(self, now: datetime) -> None:
        """Keep the account after all, as long as the grace period lasts."""
        self.must_be_there()
        if self.erase_after is None:
            return
        if has_passed(self.erase_after, now):
            raise errors.GracePeriodIsOver
        self._deletion_withdrawn()

    def erase(self) -> None:
        """End the account for good."""
        if not self.erased:
            self._erased()

    def erase_when_due(self, now: datetime) -> None:
        """Erase the user if deletion was requested and the grace period has ended."""
        if self.erase_after and has_passed(self.erase_after, now):
            self.erase()

    def must_be_there(self) -> None:
        """Raise `UserIsErased` if nothing of the person is left."""
        if self.erased:
            raise errors.UserIsErased

    def must_be_open(self) -> None:
        """Raise what forbids the person to change anything, if something does."""
        self.must_be_there()
        self._must_not_wait_for_deletion()
        self._must_not_be_suspended()
        if self.deactivated:
            raise errors.UserIsDeactivated

    def _deadline(self, email: EmailAddress, confirm_by: datetime, now: datetime) -> datetime:
        """Until when another address can be confirmed: until the first instant, as long as it is the same address."""
        asked = self.email_request
        if asked is None or email_key(asked.email) != email_key(email) or has_passed(asked.confirm_by, now):
            return confirm_by
        return min(asked.confirm_by, confirm_by)

    def _must_not_ask_too_often(self, now: datetime, limit: Limit) -> None:
        wait = limit.wait(self.email_requests, now)
        if wait > AT_ONCE:
            raise errors.TooManyEmailRequests(wait)

    def _must_not_be_suspended(self) -> None:
        if self.suspended:
            raise errors.UserIsSuspended

    def _must_not_wait_for_deletion(self) -> None:
        if self.erase_after:
            raise errors.DeletionIsPending

    @records(EmailVerificationRequested)
    def _email_verification_requested(self, confirm_by: datetime, asked_at: datetime | None = None) -> None:
        self.email_request = EmailRequest(self.email, confirm_by, self.version + 1)
        self.email_requests = remembered(self.email_requests, asked_at)

    @records(EmailVerified)
    def _email_verified(self) -> None:
        self.email_verified = True
        self.email_request = None

    @records(EmailChangeRequested)
    def _email_change_requested(
        self, email: EmailAddress, confirm_by: datetime, asked_at: datetime | None = None
    ) -> None:
        self.email_request = EmailRequest(email, confirm_by, self.version + 1)
        self.email_requests = remembered(self.email_requests, asked_at)

    @records(EmailChangeWithdrawn)
    def _email_change_withdrawn(self) -> None:
        self.email_request = None

    @records(EmailChanged)
    def _email_changed(self, email: EmailAddress) -> None:
        self.email = email
        self.email_verified = True
        self.email_request = None

    @records(DisplayNameChanged)
    def _display_name_changed(self, display_name: DisplayName) -> None:
        self.display_name = display_name

    @records(CountryChanged)
    def _country_changed(self, country: Country) -> None:
        self.country = country

    @records(LocaleChanged)
    def _locale_changed(self, locale: Locale | None) -> None:
        self.locale = locale

    @records(BirthDateChanged)
    def _birth_date_changed(self, birth_date: BirthDate | None) -> None:
        self.birth_date = birth_date

    @records(ExplicitContentFilterChanged)
    def _explicit_content_filter_changed(self, explicit_content_filter: bool) -> None:  # noqa: FBT001 - assigned by position
        self.explicit_content_filter = explicit_content_filter

    @records(ConsentGranted)
    def _consent_granted(
        self,
        purpose: Purpose,
        document_version: DocumentVersion,
        occurred_at: datetime | None = None,  # noqa: ARG002 - the event keeps it, the state need not
    ) -> None:
        self.consents[purpose] = Consent(granted=True, document_version=document_version)

    @records(ConsentWithdrawn)
    def _consent_withdrawn(
        self,
        purpose: Purpose,
        document_version: DocumentVersion,
        occurred_at: datetime | None = None,  # noqa: ARG002 - the event keeps it, the state need not
    ) -> None:
        self.consents[purpose] = Consent(granted=False, document_version=document_version)

    @records(Suspended)
    def _suspended(self, reason: Reason, occurred_at: datetime | None = None) -> None:  # noqa: ARG002 - the event keeps both, the state need not
        self.suspended = True

    @records(Reinstated)
    def _reinstated(self, reason: Reason) -> None:  # noqa: ARG002 - the event keeps the reason, the state need not
        self.suspended = False

    @records(Deactivated)
    def _deactivated(self, occurred_at: datetime | None = None) -> None:  # noqa: ARG002 - the event keeps it, the state need not
        self.deactivated = True

    @records(Reactivated)
    def _reactivated(self) -> None:
        self.deactivated = False

    @records(DeletionRequested)
    def _deletion_requested(self, erase_after: datetime) -> None:
        self.erase_after = erase_after

    @records(DeletionWithdrawn)
    def _deletion_withdrawn(self) -> None:
        self.erase_after = None

    @records(Erased)
    def _erased(self) -> None:
        self.erased = True
        self.email = EmailAddress(ERASED)
        self.email_request = None
        self.display_name = DisplayName(ERASED)
        self.birth_date = cast("BirthDate", ERASED)
        self.external_id = ExternalId(ERASED)
