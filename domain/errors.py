"""Everything that the rules can refuse.

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
└── RuleBroken                      a value or a token that breaks a rule
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

Each leaf has a stable `code` for programs and a sentence for people. Neither ever holds a personal value. An area may
have leaves of its own, in `domain/<area>/errors.py`.
"""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID


class DomainError(Exception):
    """A refusal: nothing was changed, and the code says why."""

    code: ClassVar[str]
    sentence: ClassVar[str]
    field: str | None = None
    """The refused input field, as in JSON (camelCase); an instance may name another."""

    def __str__(self) -> str:
        return self.sentence


class NotFound(DomainError):
    """What was asked for does not exist."""


class Gone(DomainError):
    """What was asked for existed and will never exist again."""


class Conflict(DomainError):
    """The current state of the account, or of another one, forbids it."""


class RuleBroken(DomainError):
    """A value that is never allowed."""


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
    """The account is waiting to be erased."""

    code = "deletion_is_pending"
    sentence = "This user has asked to be deleted and will be erased when the grace period ends."


class GracePeriodIsOver(Conflict):
    """The account is about to be erased; it is too late to keep it."""

    code = "grace_period_is_over"
    sentence = "The grace period has ended: this user is about to be erased."


class TooManyConsentPurposes(Conflict):
    """The person has as many consent purposes as are allowed."""

    code = "too_many_consent_purposes"
    sentence = "The user has the maximum of about 50 consent purposes. Existing ones can still be changed."


class TooManyEmailRequests(Conflict):
    """The account has requested, or the address has been sent, as many mails as are allowed."""

    code = "too_many_email_requests"
    sentence = "Too many mails were requested for this user or to this address. Try again later."

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait
        """The time until another mail can be requested."""


class VersionIsStale(Conflict):
    """The caller expected a version of the aggregate that is not the current one."""

    code = "version_is_stale"
    sentence = "The user has changed: the version in the request is not the current one."

    def __init__(self, aggregate_id: UUID, expected: int, actual: int) -> None:
        super().__init__(aggregate_id, expected, actual)
        self.aggregate_id = aggregate_id
        self.expected = expected
        self.actual = actual


class EmailInvalid(RuleBroken):
    """Not a valid email address."""

    code = "email_invalid"
    sentence = "This is not a valid email address."
    field = "email"


class EmailDomainReserved(RuleBroken):
    """An address in a domain that cannot receive mail, such as `.local`."""

    code = "email_domain_reserved"
    sentence = "This domain cannot receive mail: it is reserved, like .local, .test and home.arpa."
    field = "email"


class DisplayNameBlank(RuleBroken):
    """A name without visible characters."""

    code = "display_name_blank"
    sentence = "The display name must have at least one visible character."
    field = "displayName"


class DisplayNameTooLong(RuleBroken):
    """More characters than the limit."""

    code = "display_name_too_long"
    sentence = "The display name must have at most 50 characters."
    field = "displayName"


class DisplayNameHasControlCharacters(RuleBroken):
    """Control, surrogate, line-separator or bidirectional-override characters in the name."""

    code = "display_name_has_control_characters"
    sentence = "The display name must not contain control characters."
    field = "displayName"


class CountryUnknown(RuleBroken):
    """Neither an officially assigned country code nor XK."""

    code = "country_unknown"
    sentence = "The country must be an ISO 3166-1 alpha-2 code in upper case, or XK."
    field = "country"


class LocaleUnknown(RuleBroken):
    """A locale whose language, script or region is not registered."""

    code = "locale_unknown"
    sentence = "The locale must be a BCP 47 language, with or without script and region, such as sv-SE or zh-Hant-TW."
    field = "locale"


class BirthDateInFuture(RuleBroken):
    """A birth date that is not in the past."""

    code = "birth_date_in_future"
    sentence = "The birth date must be in the past."
    field = "birthDate"


class TooYoung(RuleBroken):
    """Below the minimum age for an account."""

    code = "too_young"
    sentence = "A user must be at least 13 years old."
    field = "birthDate"


class BirthDateTooLongAgo(RuleBroken):
    """The birth date of somebody who would be older than anybody ever was."""

    code = "birth_date_too_long_ago"
    sentence = "The birth date must not be more than 130 years ago."
    field = "birthDate"


class OccurredInFuture(RuleBroken):
    """The instant of a past event is in the future."""

    code = "occurred_in_future"
    sentence = "The instant must not be in the future."
    field = "occurredAt"


class OccurredTooLongAgo(RuleBroken):
    """An instant before any service existed that people could come from."""

    code = "occurred_too_long_ago"
    sentence = "The instant must not be before 1990."
    field = "occurredAt"


class ConsentPurposeInvalid(RuleBroken):
    """A consent purpose in the wrong form."""

    code = "consent_purpose_invalid"
    sentence = "A consent purpose must have 1 to 40 lower-case letters, digits and hyphens, and begin with a letter."
    field = "purpose"


class DocumentVersionInvalid(RuleBroken):
    """A document version in the wrong form."""

    code = "document_version_invalid"
    sentence = "A document version must have 1 to 32 letters, digits, dots and hyphens."
    field = "documentVersion"


class ReasonInvalid(RuleBroken):
    """A reason that is empty, too long or has control characters."""

    code = "reason_invalid"
    sentence = "A reason must have 1 to 500 visible characters and no control characters."
    field = "reason"


class ExternalIdInvalid(RuleBroken):
    """An external id in the wrong form."""

    code = "external_id_invalid"
    sentence = "An external id must have 1 to 64 visible ASCII characters without spaces."
    field = "externalId"


class AccessPurposeInvalid(RuleBroken):
    """A purpose of reading in the wrong form."""

    code = "access_purpose_invalid"
    sentence = (
        "A purpose must be a case or ticket: 1 to 100 letters (A to Z), digits, spaces and . _ : / # - characters."
    )


class VerificationTokenInvalid(RuleBroken):
    """A token that is unknown, altered, expired, used or superseded; deliberately not distinguished."""

    code = "verification_token_invalid"
    sentence = "This verification token is invalid, expired, already used or replaced by a newer one."
    field = "token"


def leaves(root: type[DomainError] = DomainError) -> list[type[DomainError]]:
    """Every error that can be raised, in the order of the drawn tree."""
    children = root.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [root]
