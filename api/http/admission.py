"""The checks that every request must pass before its handler runs: permission, Accept, names of parameters.

Permission is checked before anything is looked up, so that existing and missing accounts get the same refusal.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from api.http.content_negotiation import JSON, preferred
from api.http.json_content import content_form
from api.http.middleware import note_actor, note_token_fault
from api.http.permissions import PERSON, ROLES, Permission
from api.http.preconditions import VERSIONED
from api.http.problems import Kind, Refused
from api.http.purposes import READS, stated_purpose
from api.http.requests import ApiRequest, accept_patch, header_refused
from application.access_tokens import Access, TokenRefusedError
from application.actors import Role

PUBLIC = "public"
"""The option that declares a route as public."""
PERMISSION = "permission"
"""The option that declares the permission that a route requires."""
MEDIA_TYPES = "media_types"
"""The option that declares the media types of a route that are not JSON, the default first."""
PAGE = "page"
"""The option that declares that a route answers people: it makes the page for a refusal, and links may be decorated."""
JSON_ONLY = (JSON,)

_PARAMETER_NAME = re.compile(rb"[A-Za-z]{1,30}")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class UndeclaredPermissionError(Exception):
    """A route declares neither a permission nor that it is public."""

    def __init__(self, route: str) -> None:
        super().__init__(f"{route} declares neither a permission nor that it is public.")


def check_declarations(routes: Iterable[BaseRoute]) -> None:
    """Raise `UndeclaredPermissionError` unless each route has declared who may use it."""
    for route in routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            declared = isinstance(handler.opt.get(PERMISSION), Permission) or handler.opt.get(PUBLIC) is True
            if not declared and handler.http_methods != {"OPTIONS"}:
                raise UndeclaredPermissionError(f"{'/'.join(sorted(handler.http_methods))} {route.path}")


def allow_header(methods: Iterable[str]) -> str:
    """The methods of a resource; HEAD is available wherever GET is."""
    found = set(methods)
    return ", ".join(sorted(found | {"HEAD"} if "GET" in found else found))


async def admit(request: ApiRequest) -> Response[None] | None:
    """Admit a request, or raise; OPTIONS is answered here."""
    _check_path(request.scope.get("raw_path") or b"")
    if request.scope["method"] == "OPTIONS":
        return _options(request)
    if request.repeated_header is not None:
        raise header_refused(request.repeated_header, "This header must occur only once.")
    options = request.route_handler.opt
    if PERMISSION in options:
        request.access = _access(request)
        note_actor(request.scope, request.access.actor)
        _check_permission(options[PERMISSION], request)
        _check_accept(request)
    elif not options.get(PUBLIC):
        raise Refused(Kind.PERMISSION_DENIED)
    if PAGE not in options:
        _check_query(request)
    _check_precondition(request)
    if READS in options:
        stated_purpose(request)  # before anything is done that would go on record without it
    return None


def _options(request: ApiRequest) -> Response[None]:
    """The methods of a resource, and what PATCH takes; Litestar's own answer forgets some of them."""
    path = request.scope["path_template"]
    routes = [route for route in request.app.routes if isinstance(route, HTTPRoute) and route.path_format == path]
    handlers = [handler for route in routes for handler in route.route_handlers]
    headers = {"Allow": allow_header(method for handler in handlers for method in handler.http_methods)}
    for handler in handlers:
        if "PATCH" in handler.http_methods:
            headers |= accept_patch(content_form(handler).media_types)
    return Response(None, status_code=HTTPStatus.NO_CONTENT, headers=headers)


def _check_path(raw_path: bytes) -> None:
    """Each resource has exactly one path: a proxy might interpret a similar one differently."""
    if b"//" in raw_path or (raw_path.endswith(b"/") and raw_path != b"/") or b"%2f" in raw_path.lower():
        raise Refused(Kind.RESOURCE_NOT_FOUND)


def _access(request: ApiRequest) -> Access:
    scheme, _, token = (request.header(b"authorization") or b"").partition(b" ")
    if not token.strip() or scheme.lower() != b"bearer":
        note_token_fault(request.scope, "missing")
        raise Refused(Kind.TOKEN_MISSING)
    try:
        return request.tokens.verify(token.strip().decode("latin-1"))
    except TokenRefusedError as error:
        note_token_fault(request.scope, error.fault)
        raise


def _check_permission(permission: Permission, request: ApiRequest) -> None:
    access = request.access
    if access.role not in ROLES[permission]:
        raise Refused(Kind.PERMISSION_DENIED)
    if access.role is Role.USER and not access.is_own(request.path_params.get(PERSON, "")):
        raise Refused(Kind.PERMISSION_DENIED)


def _check_accept(request: ApiRequest) -> None:
    offered = request.route_handler.opt.get(MEDIA_TYPES, JSON_ONLY)
    if preferred(request.header(b"accept"), offered) is None:
        detail = f"The answer is only available as {b', '.join(offered).decode()}."
        raise Refused(Kind.NOT_ACCEPTABLE, detail=detail)


def _check_query(request: ApiRequest) -> None:
    """Refuse unknown, missing and repeated parameters, and values that are never allowed.

    Litestar would treat `null`, where text is not expected, like a missing parameter.
    """
    form = query_form(request.route_handler)
    if request.scope["query_string"]:
        _check_encoding(request.scope["query_string"])
        _check_parameters(request.query_params.dict(), form)
    elif form.required:
        raise _missing(form.required[0])


def _check_parameters(given: Mapping[str, list[str]], form: "QueryForm") -> None:
    for name, values in given.items():
        if name not in form.is_text:
            raise Refused(Kind.PARAMETER_UNKNOWN)
        is_null = values[0].lower() == "null" and not form.is_text[name]
        if len(values) > 1 or is_null or _FORBIDDEN.search(values[0]):
            raise Refused(Kind.PARAMETER_INVALID, name, "query")
    for name in form.required:
        if name not in given:
            raise _missing(name)


def _missing(name: str) -> Refused:
    return Refused(Kind.PARAMETER_INVALID, name, "query", detail="This parameter is required.")


def _check_encoding(query: bytes) -> None:
    """Refuse queries that are not UTF-8: they would be misread, and find nobody."""
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        try:
            unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            place = name.decode("ascii") if _PARAMETER_NAME.fullmatch(name) else None
            raise Refused(Kind.PARAMETER_INVALID, place, "query", detail="The query must be in UTF-8.") from None


def _check_precondition(request: ApiRequest) -> None:
    """Refuse a precondition where there is no version: ignoring it would be unsafe."""
    if request.header(b"if-match") is not None and VERSIONED.isdisjoint(request.path_params):
        raise header_refused(b"if-match", "This resource has no version that a precondition could name.")


class QueryForm(msgspec.Struct, frozen=True):
    """What query parameters a handler reads."""

    is_text: dict[str, bool]
    """All their names, and whether each is plain text."""
    required: tuple[str, ...]


@cache
def query_form(handler: HTTPRouteHandler) -> QueryForm:
    """The query parameters that a handler reads."""
    found = {
        kwarg.name or definition.name: definition
        for definition in parameters_of(handler)
        if isinstance(kwarg := definition.kwarg_definition, QueryParameter)
    }
    return QueryForm(
        {name: definition.annotation in {str, str | None} for name, definition in found.items()},
        tuple(name for name, definition in found.items() if is_required(definition)),
    )


def parameters_of(handler: HTTPRouteHandler) -> Iterator[FieldDefinition]:
    """The parameters of a handler; those of a dependency, such as a filter, stand in its place."""
    provided = handler.resolve_dependencies()
    for name, definition in handler.parsed_fn_signature.parameters.items():
        if name in provided:
            yield from provided[name].parsed_fn_signature.parameters.values()
        else:
            yield definition


def is_required(definition: FieldDefinition) -> bool:
    """Whether a parameter must be there."""
    return not definition.is_optional and not definition.has_default
