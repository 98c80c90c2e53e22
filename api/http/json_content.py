"""JSON content, decoded strictly: nothing is coerced, no field is ignored, no field comes twice."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.http.content_negotiation import JSON, MERGE_PATCH
from api.http.problems import Kind, Refused

_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*)`\Z", re.DOTALL)
_FIELD = re.compile(r"Object (contains unknown|missing required) field `([A-Za-z][A-Za-z0-9_-]{0,63})`\Z")


class ContentForm(msgspec.Struct, frozen=True):
    """What content a handler takes."""

    decoder: msgspec.json.Decoder[Any] | None
    fields: frozenset[str]
    """Every field that there may be, at any depth, in wire form."""
    is_required: bool
    media_types: frozenset[bytes]


@cache
def content_form(handler: HTTPRouteHandler) -> ContentForm:
    """What content a handler takes: that of its parameter `data`, if it has one."""
    data = handler.parsed_fn_signature.parameters.get("data")
    media_types = frozenset({JSON, MERGE_PATCH} if "PATCH" in handler.http_methods else {JSON})
    if data is None:
        return ContentForm(None, frozenset(), is_required=False, media_types=media_types)
    return ContentForm(
        msgspec.json.Decoder(data.annotation),
        _fields_of(data.annotation),
        is_required=not data.is_optional,
        media_types=media_types,
    )


def _fields_of(content: Any) -> frozenset[str]:
    _, schemas = msgspec.json.schema_components([content])
    return frozenset(name for schema in schemas.values() for name in schema.get("properties", ()))


def decode(form: ContentForm, content: bytes) -> Any:
    """Decode content as exactly the type that a handler declares. Raises `Refused`, naming the field."""
    assert form.decoder is not None  # noqa: S101 - whoever takes no content does not come here
    try:
        decoded = form.decoder.decode(content)
    except msgspec.ValidationError as error:
        raise _duplicate(form, content) or _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(Kind.CONTENT_MALFORMED) from None
    if _has_duplicates(content):
        raise _duplicate(form, content) or Refused(Kind.DUPLICATE_FIELD)
    return decoded


class _DuplicateError(Exception):
    """An object has a name twice."""


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


def _must_be_distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _DuplicateError


# What msgspec lets pass, these do too: they only look for names.
_distinct = json.JSONDecoder(object_pairs_hook=_must_be_distinct, strict=False)
_as_written = json.JSONDecoder(object_pairs_hook=_Pairs, strict=False)


def _has_duplicates(content: bytes) -> bool:
    """Whether an object has a name twice, in whatever spelling. RFC 8259 section 4 leaves open which of them counts."""
    found = msgspec.json.decode(content)
    if isinstance(found, dict) and content.count(b":") == len(found):
        return False  # There is a colon behind each name: no other one, no name more. This is nearly all there is.
    try:
        _distinct.decode(content.decode())
    except _DuplicateError:
        return True
    return False


def _duplicate(form: ContentForm, content: bytes) -> Refused | None:
    """Names the first field that is there twice, if it is one that there may be: no other name comes back."""
    try:
        places = list(_duplicates(_as_written.decode(content.decode()), ()))
    except (ValueError, RecursionError):
        return None
    known = (place for place in places if form.fields.issuperset(place))
    named = next(known, None)
    return None if named is None else Refused(Kind.DUPLICATE_FIELD, ".".join(named))


def _duplicates(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The places of names that an object has more than once; items of lists have the place of their list."""
    if isinstance(value, _Pairs):
        seen = set[str]()
        for name, inner in value:
            if name in seen:
                yield (*place, name)
            seen.add(name)
            yield from _duplicates(inner, (*place, name))
    elif isinstance(value, list):
        for item in value:
            yield from _duplicates(item, place)


def _invalid(message: str) -> Refused:
    """Name the field, in wire form; never say what was in it."""
    found = _PLACE.search(message)
    place = found.group(1) if found else ""
    message = message[: found.start()] if found else message
    named = _FIELD.match(message)
    if named is None:
        return Refused(Kind.CONTENT_INVALID, place or None, detail=_expectation(message))
    fault = "This field is unknown." if named.group(1) == "contains unknown" else "This field is required."
    return Refused(Kind.CONTENT_INVALID, ".".join(filter(None, [place, named.group(2)])), detail=fault)


def _expectation(message: str) -> str | None:
    """What was expected, in msgspec's words; some of its sentences quote the value."""
    return f"{message}." if message.startswith(("Expected ", "Invalid RFC3339", "Invalid UUID")) else None
