"""What queries have in common: freshness, pages, and parameters."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from litestar.params import QueryParameter

from api.http.problems import Kind, Refused
from api.http.requests import ApiRequest, header_refused
from application.queries import PAGE_LIMIT, Freshness, PageRequest, PositionNotReachedError, PositionUnknownError
from application.record_filters import ActorName, FilterInvalidError, parse_actor

T = TypeVar("T")

HIGHEST_POSITION = 2**63 - 1
HIGHEST_VERSION = 2**31 - 1
_POSITION = re.compile(rb"[0-9]{1,19}")

Limit = Annotated[
    int, QueryParameter(name="limit", ge=1, le=PAGE_LIMIT, description="The maximum number of items on the page.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(name="cursor", max_length=512, description="`nextCursor` of the previous page of the same query."),
]

RecordedFrom = Annotated[
    str | None, QueryParameter(format="date-time", name="from", description="Recorded at this instant or later.")
]
RecordedTo = Annotated[
    str | None, QueryParameter(format="date-time", name="to", description="Recorded before this instant.")
]


def min_position(request: ApiRequest) -> int | None:
    """The log position that the answer must reflect (Min-Log-Position); None if the request has none."""
    value = request.header(b"min-log-position")
    if value is None:
        return None
    if not _POSITION.fullmatch(value) or int(value) > HIGHEST_POSITION:
        raise header_refused(b"min-log-position", "A position must be a number, 0 or higher.")
    return int(value)


async def reached(request: ApiRequest, position: int) -> int:
    """The position that an answer reflects, if it is high enough.

    Raises `PositionNotReachedError`, and `PositionUnknownError` for a position that the log has not reached.
    """
    wanted = min_position(request)
    if wanted is not None and position < wanted:
        # The answer may be older than the request: whoever asks may know a position that was given out meanwhile.
        raise PositionUnknownError if wanted > await request.service.log.head() else PositionNotReachedError
    return position


def freshness(request: ApiRequest) -> Freshness:
    """The log position that an answer from a read model must reflect, and who waits for it.

    It is Min-Log-Position or, without it, what the caller has written, if the read model gets there in time
    (docs/decisions/0033-own-writes.md).
    """
    actor, stated = request.access.actor, min_position(request)
    if stated is None:
        return Freshness(request.own_writes.last(actor), str(actor), best_effort=True)
    return Freshness(stated, str(actor))


def page_request(request: ApiRequest, limit: int, cursor: str | None) -> PageRequest:
    """The requested page and freshness."""
    fresh = freshness(request)
    return PageRequest(
        limit=limit,
        cursor=cursor,
        min_position=fresh.position,
        reader=fresh.reader,
        best_effort=fresh.best_effort,
    )


def instant(text: str | None, name: str) -> datetime | None:
    """An instant as in RFC 3339; its offset from UTC is required."""
    if text is None:
        return None
    try:
        found: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        detail = "An instant must look like 2026-01-31T12:00:00Z (RFC 3339; encode a + as %2B)."
        raise Refused(Kind.PARAMETER_INVALID, name, "query", detail=detail) from None
    return found


def actor_filter(text: str | None) -> ActorName | None:
    """An actor to search for, written as events name them."""
    return None if text is None else parsed_filter(parse_actor, text, "actor")


def parsed_filter(parse: Callable[[str], T], text: str, name: str) -> T:
    """What a filter says. Raises `Refused`."""
    try:
        return parse(text)
    except FilterInvalidError as error:
        raise Refused(Kind.PARAMETER_INVALID, name, "query", detail=str(error)) from None
