"""Every refusal as a problem document (RFC 9457), with its status, code and sentence.

Problem documents never contain a value from the request.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import msgspec

from domain import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:reprise:problem:"
T = TypeVar("T")


class Place(NamedTuple):
    """A place in a request: `body`, `query`, `path` or `header`, and the name there."""

    source: str | None = None
    field: str | None = None


NOWHERE = Place()
BODY = Place("body")
AUTHORIZATION = Place("header", "Authorization")
IF_MATCH = Place("header", "If-Match")
MIN_LOG_POSITION = Place("header", "Min-Log-Position")

STATUS_OF_ERROR: dict[type[errors.DomainError], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Gone: HTTPStatus.GONE,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooManyEmailRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.VersionIsStale: HTTPStatus.PRECONDITION_FAILED,
    errors.RuleBroken: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The status of each category of errors, and of the errors that have another one than their category."""

_PLACE_OF_ERROR: dict[type[errors.DomainError], Place] = {errors.VersionIsStale: IF_MATCH}
"""What an error is about, unless it is the field of the content that it names."""


class Kind(Enum):
    """A kind of problem of the API itself, not of the domain: status, sentence, headers, place."""

    REQUEST_MALFORMED = HTTPStatus.BAD_REQUEST, "The request is not well-formed."
    CONTENT_MISSING = HTTPStatus.BAD_REQUEST, "This request requires content.", None, BODY
    CONTENT_UNEXPECTED = HTTPStatus.BAD_REQUEST, "This request must not have content.", None, BODY
    CONTENT_MALFORMED = HTTPStatus.BAD_REQUEST, "The content is not well-formed JSON in UTF-8.", None, BODY
    CONTENT_INVALID = HTTPStatus.BAD_REQUEST, "The content does not have the required form.", None, BODY
    DUPLICATE_FIELD = HTTPStatus.BAD_REQUEST, "This field occurs more than once.", None, BODY
    PARAMETER_INVALID = HTTPStatus.BAD_REQUEST, "A parameter or header does not have the required form."
    PARAMETER_UNKNOWN = (
        HTTPStatus.BAD_REQUEST,
        "One of the query parameters is unknown.",
        None,
        Place("query"),
    )
    CURSOR_INVALID = (
        HTTPStatus.BAD_REQUEST,
        "This cursor does not belong to this query.",
        None,
        Place("query", "cursor"),
    )
    POSITION_UNKNOWN = (
        HTTPStatus.BAD_REQUEST,
        "The log has not reached this position. Use the Log-Position of an earlier answer as Min-Log-Position.",
        None,
        MIN_LOG_POSITION,
    )
    TOKEN_MISSING = (
        HTTPStatus.UNAUTHORIZED,
        "This request requires an access token (Authorization: Bearer …).",
        {"WWW-Authenticate": 'Bearer realm="reprise"'},
        AUTHORIZATION,
    )
    TOKEN_INVALID = (
        HTTPStatus.UNAUTHORIZED,
        "The access token is invalid or has expired.",
        {"WWW-Authenticate": 'Bearer realm="reprise", error="invalid_token"'},
        AUTHORIZATION,
    )
    PERMISSION_DENIED = (
        HTTPStatus.FORBIDDEN,
        "The access token does not permit this request.",
        {"WWW-Authenticate": 'Bearer realm="reprise", error="insufficient_scope"'},
    )
    RESOURCE_NOT_FOUND = HTTPStatus.NOT_FOUND, "There is nothing at this path."
    EXPORT_LINK_INVALID = HTTPStatus.NOT_FOUND, "This link is invalid or has expired."
    MOMENT_NOT_FOUND = HTTPStatus.NOT_FOUND, "The user did not exist at this moment, or does not have this version."
    ERASURE_NOT_FOUND = HTTPStatus.NOT_FOUND, "No user with this id has been erased."
    NOT_SEALED = HTTPStatus.NOT_FOUND, "The log is not sealed that far yet, or there is no such checkpoint."
    PROJECTION_NOT_FOUND = HTTPStatus.NOT_FOUND, "There is no projection with this name."
    REBUILD_NOT_FOUND = HTTPStatus.NOT_FOUND, "This projection has no rebuild with this id."
    LETTER_NOT_FOUND = HTTPStatus.NOT_FOUND, "This projection has no letter with this id."
    HISTORY_UNREADABLE = (
        HTTPStatus.CONFLICT,
        "An event of this account, or of its address, cannot be read, so its state is unknown. Nothing has changed.",
    )
    LETTER_IS_SETTLED = HTTPStatus.CONFLICT, "This letter is already settled, or its rows no longer exist."
    METHOD_NOT_ALLOWED = HTTPStatus.METHOD_NOT_ALLOWED, "This resource does not support the method."
    NOT_ACCEPTABLE = (
        HTTPStatus.NOT_ACCEPTABLE,
        "The answer is only available as application/json.",
        None,
        Place("header", "Accept"),
    )
    ENTITY_TAG_WEAK = (
        HTTPStatus.PRECONDITION_FAILED,
        'A weak entity tag (W/"…") never matches in If-Match. Send the version as in ETag, such as "5".',
        None,
        IF_MATCH,
    )
    CONTENT_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The content must have at most 65,536 octets.", None, BODY
    CONTENT_TYPE_UNSUPPORTED = (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The content must be application/json, without a content encoding.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "This idempotency key was already used for a different request.",
        None,
        Place("header", "Idempotency-Key"),
    )
    WRITE_CONFLICT = (
        HTTPStatus.CONFLICT,
        "Other commands keep changing the same account. Nothing was recorded; try again.",
        {"Retry-After": "1"},
    )
    TOO_MANY_WAITING = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many requests are waiting for a log position. Try again.",
        {"Retry-After": "1"},
    )
    REQUEST_TIMEOUT = HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive."
    TARGET_TOO_LONG = HTTPStatus.REQUEST_URI_TOO_LONG, "The target of the request must have at most 8,192 octets."
    EXPECTATION_FAILED = (
        HTTPStatus.EXPECTATION_FAILED,
        "The only supported expectation is 100-continue.",
        None,
        Place("header", "Expect"),
    )
    HEAD_TOO_LARGE = (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The head of a request must have at most 100 fields and 32,768 octets.",
    )
    CONNECTIONS_EXHAUSTED = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "There are too many connections. Try again.",
        {"Retry-After": "1"},
    )
    POSITION_NOT_REACHED = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The data does not reflect the log up to Min-Log-Position yet. Try again.",
        {"Retry-After": "1"},
        MIN_LOG_POSITION,
    )
    LOG_UNAVAILABLE = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The log does not answer. The command may have been recorded: repeat it with the same Idempotency-Key.",
        {"Retry-After": "1"},
    )
    DATABASE_UNAVAILABLE = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer. Try again.",
        {"Retry-After": "1"},
    )
    TOKEN_KEYS_MISSING = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Access tokens cannot be verified at the moment, because the service has no keys. Try again.",
        {"Retry-After": "5"},
    )
    NOT_READY = (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "This service is not ready.",
        {"Retry-After": "1"},
    )
    INTERNAL_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR, "An internal error occurred. It has been logged."

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
    """Why a readiness check fails. Fixed codes only, because the answer is public."""

    KEYS_MISSING = "keys_missing"
    """The file with the keys to verify access tokens is missing."""
    KEYS_UNREADABLE = "keys_unreadable"
    """That file cannot be read; its previous keys are trusted for an hour."""
    KEYS_EMPTY = "keys_empty"
    """That file contains no usable key."""
    READ_ONLY = "read_only"
    """The database takes no changes, so nothing can be recorded."""
    APPENDS_FAIL = "appends_fail"
    """The database refuses what is to be recorded, as on a full disk."""
    NEVER_FOLLOWED = "never_followed"
    """No worker has followed the read model yet."""
    STOPPED = "stopped"
    """The read model has stopped."""
    LETTER_OPEN = "letter_open"
    """An event could not be folded into the read model."""
    ROWS_DIFFER = "rows_differ"
    """Some of its rows differ from the log."""
    UPGRADE_FAILED = "upgrade_failed"
    REBUILD_STALLED = "rebuild_stalled"
    """Rebuilding it with a new definition failed."""
    BEHIND = "behind"
    """The read model is too far behind the log."""


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One of the checks of readiness."""

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
    """The refused field (`displayName`), parameter (`limit`) or header (`If-Match`)."""
    source: str | None = None
    """Where it was: `body`, `query`, `path` or `header`."""
    checks: list[Check] | None = None
    """The checks of readiness."""


class Refused(Exception):
    """The API itself refuses a request."""

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
    """The domain refuses a value that comes from a path, query or header instead of the content."""

    def __init__(self, error: errors.DomainError, place: Place) -> None:
        super().__init__(error.code)
        self.problem = document_of(error, place)


def parsed(parse: Callable[[str], T], text: str, place: Place) -> T:
    """A value of the domain from a path, query or header. Raises `RefusedValue`."""
    try:
        return parse(text)
    except errors.DomainError as error:
        raise RefusedValue(error, place) from None


def status_of(error: type[errors.DomainError]) -> HTTPStatus:
    """The status of an error: its own, or that of its category. Raises `LookupError` for one of no category."""
    for kind in error.__mro__:
        if status := STATUS_OF_ERROR.get(kind):
            return status
    raise LookupError(error)


def document_of(error: errors.DomainError, place: Place | None = None) -> Problem:
    """A refusal of the domain as a document; it is about a field of the content unless `place` says otherwise."""
    if place is None:
        in_content = NOWHERE if error.field is None else Place("body", error.field)
        place = _PLACE_OF_ERROR.get(type(error), in_content)
    return _problem(status_of(type(error)), error.code, error.sentence, place)


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


def problems_as_markdown(refusals: Iterable[type[errors.DomainError]]) -> str:
    """The table of all codes, those of these errors among them, as in docs/problems.md."""
    rows = [(kind.status, kind.code, kind.sentence) for kind in Kind]
    rows += [(status_of(error), error.code, error.sentence) for error in refusals]
    lines = [f"| {status.value} | `{code}` | {sentence} |" for status, code, sentence in sorted(rows)]
    return "\n".join(["| Status | Code | Detail |", "|---|---|---|", *lines])
