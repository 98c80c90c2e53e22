"""Turns every exception of a handler into a problem document."""

import math
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from litestar.connection import Request
from litestar.enums import ParamType
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.response import Response
from litestar.types import ExceptionHandlersMap

from api.http.admission import PAGE, allow_header
from api.http.middleware import noted_actor
from api.http.problems import MEDIA_TYPE, Kind, Problem, Refused, RefusedValue, document_of
from application.access_tokens import NoTokenKeysError, TokenRefusedError
from application.actors import Role
from application.commands import IdempotencyKeyReusedError, LogUnavailableError, WriteConflictError
from application.proof.queries import NotSealedError
from application.queries import (
    CursorInvalidError,
    PositionNotReachedError,
    PositionUnknownError,
    TooManyWaitingError,
)
from application.unreadable import HistoryUnreadableError
from domain import errors

log = structlog.get_logger(__name__)

_KIND_OF: dict[type[Exception], Kind] = {
    TokenRefusedError: Kind.TOKEN_INVALID,
    NoTokenKeysError: Kind.TOKEN_KEYS_MISSING,
    IdempotencyKeyReusedError: Kind.IDEMPOTENCY_KEY_REUSED,
    LogUnavailableError: Kind.LOG_UNAVAILABLE,
    CursorInvalidError: Kind.CURSOR_INVALID,
    PositionNotReachedError: Kind.POSITION_NOT_REACHED,
    PositionUnknownError: Kind.POSITION_UNKNOWN,
    TooManyWaitingError: Kind.TOO_MANY_WAITING,
    WriteConflictError: Kind.WRITE_CONFLICT,
    NotSealedError: Kind.NOT_SEALED,
    NotFoundException: Kind.RESOURCE_NOT_FOUND,
}
_QUOTED_VALUE = re.compile(r" '.*", re.DOTALL)

EXISTING_ACCOUNT = (errors.UserNotFound, errors.UserIsErased, errors.VersionIsStale, Kind.HISTORY_UNREADABLE)
"""The refusals of every command about one user."""
OPEN_ACCOUNT = (*EXISTING_ACCOUNT, errors.DeletionIsPending, errors.UserIsSuspended, errors.UserIsDeactivated)
"""Additional refusals while the account is closed to its owner."""

AnyRequest = Request[Any, Any, Any]
RefusalPage = Callable[[Problem, Mapping[str, str], bytes], Response[Any]]


def exception_handlers(
    database_errors: tuple[type[Exception], ...], is_unavailable: Callable[[Exception], bool]
) -> ExceptionHandlersMap:
    """Handlers for everything; of the errors of a database, only some say that it cannot be used right now."""

    def database_error(request: AnyRequest, error: Exception) -> Response[Any]:
        return (
            _refused(request, Refused(Kind.DATABASE_UNAVAILABLE))
            if is_unavailable(error)
            else _unexpected(request, error)
        )

    by_kind: ExceptionHandlersMap = {error: _of_kind(kind) for error, kind in _KIND_OF.items()}
    without_database: ExceptionHandlersMap = dict.fromkeys(database_errors, database_error)
    return {
        **without_database,
        **by_kind,
        Refused: _refused,
        RefusedValue: _refused_value,
        HistoryUnreadableError: _history_unreadable,
        errors.DomainError: _domain_error,
        MethodNotAllowedException: _method_not_allowed,
        ValidationException: _parameter_invalid,
        HTTPException: _of_kind(Kind.REQUEST_MALFORMED),
        InternalServerException: _unexpected,
        Exception: _unexpected,
    }


def _of_kind(kind: Kind) -> Callable[[AnyRequest, Exception], Response[Any]]:
    return lambda request, _: _refused(request, Refused(kind))


def _refused(request: AnyRequest, error: Refused) -> Response[Any]:
    return _response(request, error.problem, error.headers)


def _refused_value(request: AnyRequest, error: RefusedValue) -> Response[Any]:
    return _response(request, error.problem, {})


def _domain_error(request: AnyRequest, error: errors.DomainError) -> Response[Any]:
    return _response(request, document_of(error), _headers_of(error))


def _headers_of(error: errors.DomainError) -> dict[str, str]:
    """When it makes sense to ask again (RFC 6585 section 4), where that is known."""
    if not isinstance(error, errors.TooManyEmailRequests):
        return {}
    return {"Retry-After": str(math.ceil(error.wait.total_seconds()))}


def _history_unreadable(request: AnyRequest, error: HistoryUnreadableError) -> Response[Any]:
    """Operators are told where; so is the caller, where a position was looked for, unless it is the person."""
    log.error(
        "history.unreadable",
        stream=str(error.stream_id),
        version=error.version,
        position=error.position,
        error=error.kind,
    )
    detail = None
    actor = noted_actor(request.scope)
    if error.position is not None and actor is not None and actor.role is not Role.USER:
        detail = f"The event at position {error.position}, version {error.version} of the account, cannot be read."
    return _refused(request, Refused(Kind.HISTORY_UNREADABLE, detail=detail))


def _method_not_allowed(request: AnyRequest, error: MethodNotAllowedException) -> Response[Any]:
    allowed = (error.headers or {}).get("allow", "").split(", ")
    return _refused(request, Refused(Kind.METHOD_NOT_ALLOWED, headers={"Allow": allow_header(allowed)}))


def _parameter_invalid(request: AnyRequest, error: ValidationException) -> Response[Any]:
    """Litestar refused a parameter: say which, and what was expected."""
    first: dict[str, Any] = next(iter(error.extra), {}) if isinstance(error.extra, list) else {}
    name = first.get("key")
    definition = request.route_handler.parsed_fn_signature.parameters.get(name) if name else None
    alias = getattr(definition.kwarg_definition, "name", None) if definition else None
    source = ParamType(first.get("source", ParamType.QUERY)).value
    expectation = _QUOTED_VALUE.sub("", first.get("message", ""))
    detail = f"{expectation}." if expectation else None
    return _refused(request, Refused(Kind.PARAMETER_INVALID, alias or _camel(name), source, detail=detail))


def _camel(name: str | None) -> str | None:
    """The name on the wire."""
    first, *others = (name or "").split("_")
    return first + "".join(map(str.capitalize, others)) or None


def _unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    """A bug: logged by type and place only, because messages can contain anything."""
    frames = traceback.extract_tb(error.__traceback__)
    log.error(
        "request.failed",
        route=request.scope.get("path_template"),
        method=request.scope["method"],
        error=type(error).__qualname__,
        trace=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    )
    return _refused(request, Refused(Kind.INTERNAL_ERROR))


def _response(request: AnyRequest, problem: Problem, headers: dict[str, str]) -> Response[Any]:
    page = _page_for(request)
    if page is not None:
        language = request.headers.get("accept-language", "").encode("latin-1")
        return page(problem, headers, language)
    return Response(
        problem,
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers},
    )


def _page_for(request: AnyRequest) -> RefusalPage | None:
    """What shows a refusal to somebody who does not read problem documents."""
    handler: Any = request.scope.get("route_handler")
    return None if handler is None else handler.opt.get(PAGE)
