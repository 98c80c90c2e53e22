"""Everything the rules can refuse.

DomainError
├── NotFound
│   └── UserNotFound
├── Gone
│   └── UserIsErased
├── Conflict
│   ├── EmailTaken
│   ├── UserIsSuspended
│   ├── UserIsDeactivated
│   ├── DeletionIsPending
│   ├── GracePeriodIsOver
│   ├── TooManyConsentPurposes
│   ├── TooManyEmailRequests
│   └── VersionIsStale
└── RuleBroken                      a value or a token that no rule allows
    ├── EmailInvalid
    ├── EmailDomainReserved
    ├── DisplayNameBlank
    ├── DisplayNameTooLong
    ├── DisplayNameHasControlCharacters
    ├── CountryUnknown
    ├── LocaleUnknown
    ├── BirthDateInFuture
    ├── TooYoung
    ├── BirthDateTooLongAgo
    ├── OccurredInFuture
    ├── OccurredTooLongAgo
    ├── ConsentPurposeInvalid
    ├── DocumentVersionInvalid
    ├── ReasonInvalid
    ├── ExternalIdInvalid
    ├── AccessPurposeInvalid
    └── VerificationTokenInvalid

Each leaf has a stable `code` for programs and a sentence for people. Neither ever holds a personal value.
"""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID


class DomainError(Exception):
    """A refusal: nothing was changed, and the code says why."""

    code: ClassVar[str]
    sentence: ClassVar[str]
    field: str | None = None
    """The input field, in wire form (camelCase), that the refusal is about; one error may name its own."""

    def __str__(self) -> str:
        return self.sentence


class NotFound(DomainError):
    """What was asked for does not exist."""


class Gone(DomainError):
    """What was asked for existed and will never exist again."""


class Conflict(DomainError):
    """The current state of the world forbids it."""


class RuleBroken(DomainError):
    """A value that no state of the world would allow."""


class UserNotFound(NotFound):
    """No user has this id."""

    code = "user_not_found"
    sentence = "There is no user with this id."


class UserIsErased(Gone):
    """The person was erased; the id is never used again."""

    code = "user_is_erased"
    sentence = "This user has been erased."


class EmailTaken(Conflict):
    """Somebody else holds the address."""

    code = "email_taken"
    sentence = "This email address is already in use."
    field = "email"


class UserIsSuspended(Conflict):
    """Staff have suspended the account."""

    code = "user_is_suspended"
    sentence = "This user is suspended."


class UserIsDeactivated(Conflict):
    """The person has deactivated the account."""

    code = "user_is_deactivated"
    sentence = "This user is deactivated."


class DeletionIsPending(Conflict):
    """The account waits to be deleted."""

    code = "deletion_is_pending"
    sentence = "This user is waiting to be deleted."


class GracePeriodIsOver(Conflict):
    """The account is about to be erased; it is too late to keep it."""

    code = "grace_period_is_over"
    sentence = "The grace period is over: this user will be erased."


class TooManyConsentPurposes(Conflict):
    """An answer about one purpose more than a person can have."""

    code = "too_many_consent_purposes"
    sentence = "The user has answered about 50 purposes; what was answered can still be changed."


class TooManyEmailRequests(Conflict):
    """The account, or the address, has had as many mails sent as it may."""

    code = "too_many_email_requests"
    sentence = "Too many mails were asked for, for this user or to this address. Try again later."

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait
        """How long it takes until one more can be asked for."""


class VersionIsStale(Conflict):
    """The caller decided on another version of the aggregate than the current one."""

    code = "version_is_stale"
    sentence = "The user is not at the version that the request names."

    def __init__(self, aggregate_id: UUID, expected: int, actual: int) -> None:
        super().__init__(aggregate_id, expected, actual)
        self.aggregate_id = aggregate_id
        self.expected = expected
        self.actual = actual


class EmailInvalid(RuleBroken):
    """Not a deliverable form of an email address."""

    code = "email_invalid"
    sentence = "This is not a valid email address."
    field = "email"


class EmailDomainReserved(RuleBroken):
    """An address in a domain that no mail can reach from outside, such as `.local`."""

    code = "email_domain_reserved"
    sentence = "No mail reaches this domain: it is reserved, as .local, .test and home.arpa are."
    field = "email"


class DisplayNameBlank(RuleBroken):
    """Nothing visible in the name."""

    code = "display_name_blank"
    sentence = "The display name needs at least one visible character."
    field = "displayName"


class DisplayNameTooLong(RuleBroken):
    """More characters than the limit."""

    code = "display_name_too_long"
    sentence = "The display name may have at most 50 characters."
    field = "displayName"


class DisplayNameHasControlCharacters(RuleBroken):
    """Control, surrogate, line-separator or bidirectional-override characters in the name."""

    code = "display_name_has_control_characters"
    sentence = "The display name may not contain control characters."
    field = "displayName"


class CountryUnknown(RuleBroken):
    """Neither an officially assigned country code nor XK."""

    code = "country_unknown"
    sentence = "The country must be an ISO 3166-1 alpha-2 code in upper case, or XK."
    field = "country"


class LocaleUnknown(RuleBroken):
    """A locale whose language, script or region is not registered."""

    code = "locale_unknown"
    sentence = "The locale is not known: a language, script and region of BCP 47, such as sv-SE or zh-Hant-TW."
    field = "locale"


class BirthDateInFuture(RuleBroken):
    """A birth date that is not in the past."""

    code = "birth_date_in_future"
    sentence = "The birth date must be in the past."
    field = "birthDate"


class TooYoung(RuleBroken):
    """Below the age at which a person may hold an account."""

    code = "too_young"
    sentence = "A user must be at least 13 years old."
    field = "birthDate"


class BirthDateTooLongAgo(RuleBroken):
    """A birth date of somebody who would be older than anybody ever was."""

    code = "birth_date_too_long_ago"
    sentence = "Nobody is older than 130 years."
    field = "birthDate"


class OccurredInFuture(RuleBroken):
    """An instant that has not come yet, of something that is said to have happened."""

    code = "occurred_in_future"
    sentence = "The instant is in the future."
    field = "occurredAt"


class OccurredTooLongAgo(RuleBroken):
    """An instant before there were services that people could come from."""

    code = "occurred_too_long_ago"
    sentence = "The instant is before 1990."
    field = "occurredAt"


class ConsentPurposeInvalid(RuleBroken):
    """Not the form of a purpose."""

    code = "consent_purpose_invalid"
    sentence = "A consent purpose has 1 to 40 lower-case letters, digits and hyphens and begins with a letter."
    field = "purpose"


class DocumentVersionInvalid(RuleBroken):
    """Not the form of a document version."""

    code = "document_version_invalid"
    sentence = "A document version has 1 to 32 letters, digits, dots and hyphens."
    field = "documentVersion"


class ReasonInvalid(RuleBroken):
    """A reason that says nothing or too much."""

    code = "reason_invalid"
    sentence = "A reason has 1 to 500 visible characters and no control characters."
    field = "reason"


class ExternalIdInvalid(RuleBroken):
    """Not the form of an id from another system."""

    code = "external_id_invalid"
    sentence = "An external id has 1 to 64 visible ASCII characters without spaces."
    field = "externalId"


class AccessPurposeInvalid(RuleBroken):
    """Not the form of what personal data is read for."""

    code = "access_purpose_invalid"
    sentence = "A purpose is a case or ticket: 1 to 100 letters (A to Z), digits, spaces and . _ : / # - characters."


class VerificationTokenInvalid(RuleBroken):
    """Unknown, altered, expired, used or superseded: deliberately not told apart."""

    code = "verification_token_invalid"
    sentence = "This verification token is not valid (any more)."
    field = "token"


def leaves(root: type[DomainError] = DomainError) -> list[type[DomainError]]:
    """Every error that can be raised, in the order of the drawn tree."""
    children = root.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [root]
