"""Generates the OpenAPI 3.1 document from the routes: their parameters, answers and refusals."""

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import KwargDefinition, PathParameter, QueryParameter
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from api.http.admission import MEDIA_TYPES, PERMISSION, PUBLIC, is_required, parameters_of
from api.http.answers import Document, Receipt, Streamed
from api.http.content_negotiation import MERGE_PATCH
from api.http.json_content import content_form
from api.http.permissions import ROLES
from api.http.problems import MEDIA_TYPE, Kind, Problem, status_of
from api.http.purposes import READS
from api.http.requests import BODY_LIMIT
from api.openapi.texts import (
    COMMAND_HEADERS,
    CONDITIONAL_HEADERS,
    DESCRIPTION,
    EXAMPLES,
    HEADERS,
    QUERY_HEADERS,
    READING_HEADERS,
    TAGS,
    USER_COMMAND_HEADERS,
    RequestHeader,
)
from domain.errors import AccessPurposeInvalid, DomainError

Json = dict[str, Any]
Refusal = Kind | type[DomainError]
TEMPLATE = "#/components/schemas/{name}"

_ALWAYS = (
    Kind.REQUEST_MALFORMED,
    Kind.PARAMETER_UNKNOWN,
    Kind.TARGET_TOO_LONG,
    Kind.HEAD_TOO_LARGE,
    Kind.INTERNAL_ERROR,
    Kind.DATABASE_UNAVAILABLE,
)
_GUARDED = (
    Kind.TOKEN_MISSING,
    Kind.TOKEN_INVALID,
    Kind.TOKEN_KEYS_MISSING,
    Kind.PERMISSION_DENIED,
    Kind.NOT_ACCEPTABLE,
)
_READING_CONTENT = (Kind.CONTENT_TYPE_UNSUPPORTED, Kind.CONTENT_TOO_LARGE)
_WITHOUT_CONTENT = (Kind.CONTENT_UNEXPECTED,)
_WITH_CONTENT = (Kind.CONTENT_MISSING, Kind.CONTENT_MALFORMED, Kind.CONTENT_INVALID, Kind.DUPLICATE_FIELD)
_COMMAND = (Kind.IDEMPOTENCY_KEY_REUSED, Kind.WRITE_CONFLICT, Kind.LOG_UNAVAILABLE)
_QUERY = (Kind.POSITION_UNKNOWN, Kind.POSITION_NOT_REACHED, Kind.TOO_MANY_WAITING)


class Operation(NamedTuple):
    """One method of one resource."""

    path: str
    method: str
    handler: HTTPRouteHandler

    @property
    def parameters(self) -> list[FieldDefinition]:
        """The parameters of its handler, in order."""
        return list(parameters_of(self.handler))

    @property
    def answers(self) -> tuple[Any, ...]:
        """The types of its content, which may depend on the caller; none if it is not JSON."""
        given = self.handler.parsed_fn_signature.return_type.raw
        if given in {Document, Streamed}:
            return ()
        (content,) = get_args(given)
        options = get_args(content) if get_origin(content) in {Union, UnionType} else (content,)
        return tuple(option for option in options if option is not NoneType)

    @property
    def media_types(self) -> list[str]:
        """The media types of its content, if it is not JSON."""
        return [name.decode() for name in self.handler.opt.get(MEDIA_TYPES, (b"text/plain",))]

    @property
    def is_guarded(self) -> bool:
        """Whether it requires a token."""
        return PERMISSION in self.handler.opt

    @property
    def is_command(self) -> bool:
        """Whether it records events."""
        return self.answers_with_receipt or bool(self.handler.opt.get("records"))

    @property
    def is_command_about_user(self) -> bool:
        """Whether it supports If-Match with a version of the user in the path."""
        return self.is_command and "{userId}" in self.path

    @property
    def answers_with_receipt(self) -> bool:
        """Whether it answers with a new version."""
        return len(self.answers) == 1 and isinstance(self.answers[0], type) and issubclass(self.answers[0], Receipt)

    @property
    def is_conditional(self) -> bool:
        """Whether it supports If-None-Match (304)."""
        return bool(self.handler.opt.get("conditional"))

    @property
    def reads_people(self) -> bool:
        """Whether it answers with personal data, so that the reading is recorded."""
        return READS in self.handler.opt

    @property
    def is_query(self) -> bool:
        """Whether it answers from the log or a read model."""
        return self.is_guarded and not self.is_command


def openapi_document(routes: Iterable[BaseRoute]) -> Json:
    """The whole document."""
    found = list(operations(routes))
    paths: Json = {}
    for operation in found:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reprise", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(found),
            "headers": {name: _header(text, schema) for name, (text, schema) in HEADERS.items()},
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of type `at+jwt` with the claims sub, role, iss, aud, iat and exp.",
                }
            },
        },
    }


def operations(routes: Iterable[BaseRoute]) -> Iterator[Operation]:
    """Every method of every resource that is part of the API, in the order of the paths."""
    for route in sorted((r for r in routes if isinstance(r, HTTPRoute)), key=lambda route: route.path):
        for handler in route.route_handlers:
            if handler.resolve_include_in_schema() and (PUBLIC in handler.opt or PERMISSION in handler.opt):
                for method in sorted(handler.http_methods):
                    yield Operation(_camel_path(route.path_format), method, handler)


def refusals(operation: Operation) -> dict[HTTPStatus, list[str]]:
    """The codes an operation may refuse with, by status."""
    refused: list[Refusal] = [*_ALWAYS, *operation.handler.opt.get("refusals", ())]
    if operation.is_guarded:
        refused += _GUARDED
    if operation.method != "GET":
        refused += _READING_CONTENT
        refused += _WITH_CONTENT if content_form(operation.handler).decoder else _WITHOUT_CONTENT
    if operation.is_command or operation.is_query:
        refused.append(Kind.PARAMETER_INVALID)
    refused += [AccessPurposeInvalid] if operation.reads_people else []
    refused += [Kind.ENTITY_TAG_WEAK] if operation.is_command_about_user else []
    refused += _COMMAND if operation.is_command else _QUERY if operation.is_query else ()
    by_status: dict[HTTPStatus, list[str]] = {}
    for refusal in refused:
        status = refusal.status if isinstance(refusal, Kind) else status_of(refusal)
        by_status.setdefault(status, []).append(refusal.code)
    return dict(sorted(by_status.items()))


def _operation(operation: Operation) -> Json:
    handler = operation.handler
    text = (handler.fn.__doc__ or "").strip()
    described: Json = {
        "operationId": _camel(handler.handler_name),
        "summary": handler.handler_name.replace("_", " ").capitalize(),
        "description": text,
        "tags": handler.resolve_tags(),
        "parameters": [*_parameters(operation), *_header_parameters(operation)],
        "responses": _responses(operation),
        "security": [{"accessToken": []}] if operation.is_guarded else [],
    }
    permission = handler.opt.get(PERMISSION)
    if permission:
        roles = ", ".join(sorted(role + (" (own account)" if role == "user" else "") for role in ROLES[permission]))
        described["x-permission"] = permission
        described["description"] = f"{text}\n\nPermission `{permission}`: {roles}."
    content = content_form(handler)
    if content.decoder:
        described["requestBody"] = _content(operation)
    return described


def _parameters(operation: Operation) -> Iterator[Json]:
    for parameter in operation.parameters:
        kwarg = parameter.kwarg_definition
        if isinstance(kwarg, PathParameter | QueryParameter):
            place = "path" if isinstance(kwarg, PathParameter) else "query"
            described = {
                "name": kwarg.name or _camel(parameter.name),
                "in": place,
                "required": place == "path" or is_required(parameter),
                "schema": _parameter_schema(parameter, kwarg),
            }
            yield described | ({"description": kwarg.description} if kwarg.description else {})


def _parameter_schema(parameter: FieldDefinition, kwarg: KwargDefinition) -> Json:
    annotation = next((inner.annotation for inner in parameter.inner_types if not inner.is_none_type), None)
    schema = msgspec.json.schema(annotation if parameter.is_optional else parameter.annotation)
    if "$ref" in schema:
        (schema,) = schema["$defs"].values()
    limits: Json = {
        "minimum": kwarg.ge,
        "maximum": kwarg.le,
        "minLength": kwarg.min_length,
        "maxLength": kwarg.max_length,
    }
    limits |= {
        "format": kwarg.format,
        "pattern": kwarg.pattern,
        "default": parameter.default if parameter.has_default else None,
    }
    return schema | {name: value for name, value in limits.items() if value is not None}


def _header_parameters(operation: Operation) -> Iterator[Json]:
    for name, text, schema in _request_headers(operation):
        yield {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


def _request_headers(operation: Operation) -> Iterator[RequestHeader]:
    if operation.is_command:
        yield from COMMAND_HEADERS
        yield from USER_COMMAND_HEADERS if operation.is_command_about_user else ()
    if operation.is_query:
        yield from QUERY_HEADERS
        yield from READING_HEADERS if operation.reads_people else ()
        yield from CONDITIONAL_HEADERS if operation.is_conditional else ()


def _content(operation: Operation) -> Json:
    form = content_form(operation.handler)
    schema = {"$ref": TEMPLATE.format(name=_content_type(operation).__name__)}
    example = EXAMPLES.get(_content_type(operation).__name__)
    content = {"schema": schema} | ({"example": example} if example else {})
    media_types = sorted(
        (media_type.decode() for media_type in form.media_types), key=lambda m: m != MERGE_PATCH.decode()
    )
    return {
        "required": form.is_required,
        "description": f"At most {BODY_LIMIT} octets.",
        "content": dict.fromkeys(media_types, content),
    }


def _content_type(operation: Operation) -> Any:
    """The struct an operation takes as content, whether or not it must be there."""
    data = operation.handler.parsed_fn_signature.parameters["data"]
    return data.inner_types[0].annotation if data.is_optional else data.annotation


def _responses(operation: Operation) -> Json:
    status = HTTPStatus(operation.handler.status_code)
    answered: Json = {str(status.value): _success(operation, status)}
    if operation.is_conditional:
        answered["304"] = {
            "description": "The version is the one named in If-None-Match.",
            "headers": _headers(operation),
        }
    for refused, codes in refusals(operation).items():
        answered[str(refused.value)] = _refusal(refused, codes)
    return answered


def _success(operation: Operation, status: HTTPStatus) -> Json:
    if not operation.answers:
        headers = {"headers": _headers(operation)} if operation.is_guarded else {}
        content = {media_type: {"schema": _schema_of(media_type)} for media_type in operation.media_types}
        return {"description": status.phrase, **headers, "content": content}
    schemas, _ = msgspec.json.schema_components(operation.answers, ref_template=TEMPLATE)
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    return {
        "description": status.phrase,
        "headers": _headers(operation),
        "content": {"application/json": {"schema": schema}},
    }


def _schema_of(media_type: str) -> Json:
    """Of content that is no struct of ours: text, or a JSON batch of things that are described elsewhere."""
    return {"type": "array", "items": {"type": "object"}} if media_type.endswith("+json") else {"type": "string"}


def _headers(operation: Operation) -> Json:
    names = ["Log-Position"] if operation.is_guarded or operation.is_command else []
    if operation.answers_with_receipt or operation.is_conditional:
        names.append("ETag")
    if operation.handler.status_code in {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
        names.append("Location")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _refusal(status: HTTPStatus, codes: list[str]) -> Json:
    refusal: Json = {
        "description": f"{status.phrase}: " + ", ".join(f"`{code}`" for code in sorted(codes)),
        "content": {MEDIA_TYPE: {"schema": {"$ref": TEMPLATE.format(name=Problem.__name__)}}},
    }
    named = {
        HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
        HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
        HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
    }.get(status)
    return refusal | ({"headers": {named: {"$ref": f"#/components/headers/{named}"}}} if named else {})


def _header(text: str, schema: Json) -> Json:
    return {"description": text, "required": True, "schema": schema}


def _schemas(found: list[Operation]) -> Json:
    types: list[Any] = [Problem]
    types += [answer for operation in found for answer in operation.answers]
    types += [_content_type(operation) for operation in found if content_form(operation.handler).decoder]
    _, components = msgspec.json.schema_components(types, ref_template=TEMPLATE)
    return dict(sorted(components.items()))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _camel_path(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: "{" + _camel(found.group(1)) + "}", path)
