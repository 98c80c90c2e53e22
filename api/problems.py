"""Every refusal as a problem document (RFC 9457): which status, which code, which sentence.

Neither table nor document ever holds a value that somebody sent.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import msgspec

from domain import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:reprise:problem:"
T = TypeVar("T")


class Place(NamedTuple):
    """Where in a request something is: `body`, `query`, `path` or `header`, and the name it has there."""

    source: str | None = None
    field: str | None = None


NOWHERE = Place()
BODY = Place("body")
AUTHORIZATION = Place("header", "Authorization")
IF_MATCH = Place("header", "If-Match")
MIN_LOG_POSITION = Place("header", "Min-Log-Position")

STATUS_OF_ERROR: dict[type[errors.DomainError], HTTPStatus] = {
    errors.UserNotFound: HTTPStatus.NOT_FOUND,
    errors.UserIsErased: HTTPStatus.GONE,
    errors.EmailTaken: HTTPStatus.CONFLICT,
    errors.UserIsSuspended: HTTPStatus.CONFLICT,
    errors.UserIsDeactivated: HTTPStatus.CONFLICT,
    errors.DeletionIsPending: HTTPStatus.CONFLICT,
    errors.GracePeriodIsOver: HTTPStatus.CONFLICT,
    errors.TooManyConsentPurposes: HTTPStatus.CONFLICT,
    errors.TooManyEmailRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.VersionIsStale: HTTPStatus.PRECONDITION_FAILED,
    errors.EmailInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EmailDomainReserved: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DisplayNameBlank: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DisplayNameTooLong: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DisplayNameHasControlCharacters: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CountryUnknown: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LocaleUnknown: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BirthDateInFuture: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooYoung: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BirthDateTooLongAgo: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.OccurredInFuture: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.OccurredTooLongAgo: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ConsentPurposeInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DocumentVersionInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ReasonInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ExternalIdInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AccessPurposeInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.VerificationTokenInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
}

_PLACE_OF_ERROR: dict[type[errors.DomainError], Place] = {errors.VersionIsStale: IF_MATCH}
"""What an error is about, if that is not the field of the content that it names."""


class Kind(Enum):
    """A kind of problem that is the API's own, not the domain's: status, sentence, headers, what it is about."""

    REQUEST_MALFORMED = HTTPStatus.BAD_REQUEST, "The request is not well-formed."
    CONTENT_MISSING = HTTPStatus.BAD_REQUEST, "This request needs content.", None, BODY
    CONTENT_UNEXPECTED = HTTPStatus.BAD_REQUEST, "This request takes no content.", None, BODY
    CONTENT_MALFORMED = HTTPStatus.BAD_REQUEST, "The content is not well-formed JSON in UTF-8.", None, BODY
    CONTENT_INVALID = HTTPStatus.BAD_REQUEST, "The content does not have the form that is asked for.", None, BODY
    DUPLICATE_FIELD = HTTPStatus.BAD_REQUEST, "This field is there more than once.", None, BODY
    PARAMETER_INVALID = HTTPStatus.BAD_REQUEST, "A parameter or header does not have the form that is asked for."
    PARAMETER_UNKNOWN = (
        HTTPStatus.BAD_REQUEST,
        "This resource does not know one of the query parameters.",
        None,
        Place("query"),
    )
    CURSOR_INVALID = (
        HTTPStatus.BAD_REQUEST,
        "This cursor was not given out for this query.",
        None,
        Place("query", "cursor"),
    )
    POSITION_UNKNOWN = (
        HTTPStatus.BAD_REQUEST,
        "The log has not come to this position: Min-Log-Position is one that an answer has given.",
        None,
        MIN_LOG_POSITION,
    )
    TOKEN_MISSING = (
        HTTPStatus.UNAUTHORIZED,
        "This request needs an access token (Authorization: Bearer …).",
        {"WWW-Authenticate": 'Bearer realm="reprise"'},
        AUTHORIZATION,
    )
    TOKEN_INVALID = (
        HTTPStatus.UNAUTHORIZED,
        "The access token is not valid, or not any more.",
        {"WWW-Authenticate": 'Bearer realm="reprise", error="invalid_token"'},
        AUTHORIZATION,
    )
    PERMISSION_DENIED = (
        HTTPStatus.FORBIDDEN,
        "The access token does not permit this request.",
        {"WWW-Authenticate": 'Bearer realm="reprise", error="insufficient_scope"'},
    )
    RESOURCE_NOT_FOUND = HTTPStatus.NOT_FOUND, "There is nothing at this address."
    EXPORT_LINK_INVALID = HTTPStatus.NOT_FOUND, "This link is not valid (any more)."
    MOMENT_NOT_FOUND = HTTPStatus.NOT_FOUND, "There was no such user at this moment, or there is no such version."
    ERASURE_NOT_FOUND = HTTPStatus.NOT_FOUND, "No user with this id was erased."
    NOT_SEALED = HTTPStatus.NOT_FOUND, "The log is not sealed up to there, or there is no such checkpoint."
    PROJECTION_NOT_FOUND = HTTPStatus.NOT_FOUND, "There is no projection with this name."
    REBUILD_NOT_FOUND = HTTPStatus.NOT_FOUND, "This projection has no rebuild with this id."
    LETTER_NOT_FOUND = HTTPStatus.NOT_FOUND, "This projection has no letter with this id."
    LETTER_IS_SETTLED = HTTPStatus.CONFLICT, "This letter is settled, or its rows are gone: there is nothing to do."
    METHOD_NOT_ALLOWED = HTTPStatus.METHOD_NOT_ALLOWED, "This resource does not have the method."
    NOT_ACCEPTABLE = HTTPStatus.NOT_ACCEPTABLE, "Answers are application/json.", None, Place("header", "Accept")
    ENTITY_TAG_WEAK = (
        HTTPStatus.PRECONDITION_FAILED,
        'A weak entity tag (W/"…") never matches in If-Match: send the version as ETag gives it, such as "5".',
        None,
        IF_MATCH,
    )
    CONTENT_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The content may have at most 65,536 octets.", None, BODY
    CONTENT_TYPE_UNSUPPORTED = (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The content must be application/json, and not be encoded any further.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "This idempotency key was used before, for another request.",
        None,
        Place("header", "Idempotency-Key"),
    )
    WRITE_CONFLICT = (
        HTTPStatus.CONFLICT,
        "Others keep changing the same thing. Nothing was recorded; try again.",
        {"Retry-After": "1"},
    )
    TOO_MANY_WAITING = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many requests wait for a position of the log already.",
        {"Retry-After": "1"},
    )
    REQUEST_TIMEOUT = HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive."
    TARGET_TOO_LONG = HTTPStatus.REQUEST_URI_TOO_LONG, "The address may have at most 8,192 octets."
    EXPECTATION_FAILED = (
        HTTPStatus.EXPECTATION_FAILED,
        "Nothing but 100-continue may be expected.",
        None,
        Place("header", "Expect"),
    )
    HEAD_TOO_LARGE = (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The head of a request may have at most 100 fields and 32,768 octets.",
    )
    CONNECTIONS_EXHAUSTED = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "There are too many connections. Try again.",
        {"Retry-After": "1"},
    )
    POSITION_NOT_REACHED = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "What is asked for does not reflect the log up to Min-Log-Position yet.",
        {"Retry-After": "1"},
        MIN_LOG_POSITION,
    )
    LOG_UNAVAILABLE = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The log does not answer; whether the command was recorded is unknown. Repeat it with its Idempotency-Key.",
        {"Retry-After": "1"},
    )
    DATABASE_UNAVAILABLE = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer. Try again.",
        {"Retry-After": "1"},
    )
    TOKEN_KEYS_MISSING = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Access tokens cannot be verified now: this service has no keys for that. Try again.",
        {"Retry-After": "5"},
    )
    NOT_READY = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "This service cannot serve as it should now.",
        {"Retry-After": "1"},
    )
    INTERNAL_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR, "This is our fault. It is on record."

    def __init__(
        self,
        status: HTTPStatus,
        sentence: str,
        headers: Mapping[str, str] | None = None,
        place: Place = NOWHERE,
    ) -> None:
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})
        self.place = place

    @property
    def code(self) -> str:
        """The name for programs."""
        return self.name.lower()


class Failure(StrEnum):
    """All that readiness can say is wrong: everybody may ask, so no text is made as it runs."""

    KEYS_MISSING = "keys_missing"
    """There is no file with keys to verify access tokens with."""
    KEYS_UNREADABLE = "keys_unreadable"
    """That file cannot be read; the keys that it had are believed for an hour."""
    KEYS_EMPTY = "keys_empty"
    """There is no usable key in it."""
    NEVER_FOLLOWED = "never_followed"
    """No worker has begun with the read model."""
    STOPPED = "stopped"
    """The read model stands still."""
    LETTER_OPEN = "letter_open"
    """Some event could not be folded into it."""
    ROWS_DIFFER = "rows_differ"
    """Some of its rows are not what the log says."""
    UPGRADE_FAILED = "upgrade_failed"
    """Its rows could not be made again by a new definition."""
    BEHIND = "behind"
    """It is too far behind the log."""


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that readiness depends on."""

    name: str
    ok: bool
    lag_events: int | None = None
    lag_seconds: float | None = None
    failure: Failure | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. `code` is for programs, `detail` for people; `field` and `source` say what it is about."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    """The field (`displayName`), parameter (`limit`) or header (`If-Match`) that was refused."""
    source: str | None = None
    """Where it is: `body`, `query`, `path` or `header`."""
    checks: list[Check] | None = None
    """What readiness depends on."""


class Refused(Exception):
    """A request was refused by the API itself."""

    def __init__(
        self,
        kind: Kind,
        field: str | None = None,
        source: str | None = None,
        *,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        checks: list[Check] | None = None,
    ) -> None:
        super().__init__(kind.code)
        place = Place(source or kind.place.source, field or kind.place.field)
        self.kind = kind
        self.headers = {**kind.headers, **(headers or {})}
        self.problem = _problem(kind.status, kind.code, detail or kind.sentence, place, checks)


class RefusedValue(Exception):
    """The domain refuses a value that is not in the content, where it is taken to be otherwise."""

    def __init__(self, error: errors.DomainError, place: Place) -> None:
        super().__init__(error.code)
        self.problem = document_of(error, place)


def parsed(parse: Callable[[str], T], text: str, place: Place) -> T:
    """A value of the domain that stands elsewhere than in the content. Raises `RefusedValue`."""
    try:
        return parse(text)
    except errors.DomainError as error:
        raise RefusedValue(error, place) from None


def document_of(error: errors.DomainError, place: Place | None = None) -> Problem:
    """What the domain refuses, as a document; what it is about is in the content, unless something else is said."""
    if place is None:
        in_content = NOWHERE if error.field is None else Place("body", error.field)
        place = _PLACE_OF_ERROR.get(type(error), in_content)
    return _problem(STATUS_OF_ERROR[type(error)], error.code, error.sentence, place)


def _problem(status: HTTPStatus, code: str, detail: str, place: Place, checks: list[Check] | None = None) -> Problem:
    return Problem(
        type=TYPE_PREFIX + code,
        title=code.replace("_", " ").capitalize(),
        status=status.value,
        code=code,
        detail=detail,
        field=place.field,
        source=place.source,
        checks=checks,
    )


def problems_as_markdown() -> str:
    """Every code there is, as it stands in docs/problems.md."""
    rows = [(kind.status, kind.code, kind.sentence) for kind in Kind]
    rows += [(status, error.code, error.sentence) for error, status in STATUS_OF_ERROR.items()]
    lines = [f"| {status.value} | `{code}` | {sentence} |" for status, code, sentence in sorted(rows)]
    return "\n".join(["| Status | Code | Detail |", "|---|---|---|", *lines])
