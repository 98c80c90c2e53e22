"""Hypothesis strategies for the domain's own values, and for events made of them."""

import contextlib
import types
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st

from domain.access_records.access_record import Reading
from domain.errors import DomainError
from domain.kernel import AggregateEvent, payload_fields
from domain.users.values import BirthDate, DisplayName, DocumentVersion, ExternalId, Purpose, parse_display_name
from domain.values import (
    AccessPurpose,
    Country,
    EmailAddress,
    Locale,
    Reason,
    countries,
    parse_email_address,
    parse_reason,
)
from tests.support.scenarios import event_of

ValueT = TypeVar("ValueT")

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Text with all that a Python string can hold, lone surrogates too."""
_DOMAINS = ("example.com", "example.org", "bücher.example", "straße.example", "пример.example", "a.b.c.example")
_LOCALES = ("sv", "sv-SE", "en-GB", "zh-Hant-TW", "es-419", "sr-Latn-RS", "fil")


def _accepted(parse: Callable[[str], ValueT], texts: st.SearchStrategy[str]) -> st.SearchStrategy[ValueT]:
    def parsed(text: str) -> list[ValueT]:
        with contextlib.suppress(DomainError):
            return [parse(text)]
        return []

    return texts.map(parsed).filter(bool).map(lambda values: values[0])


def emails() -> st.SearchStrategy[EmailAddress]:
    local_part = st.text(st.characters(categories=("Ll", "Lu", "Lo", "Nd"), include_characters="+_-"), min_size=1)
    return _accepted(parse_email_address, st.builds("{}@{}".format, local_part, st.sampled_from(_DOMAINS)))


def display_names() -> st.SearchStrategy[DisplayName]:
    return _accepted(parse_display_name, st.text(min_size=1, max_size=50))


def reasons() -> st.SearchStrategy[Reason]:
    return _accepted(parse_reason, st.text(min_size=1, max_size=500))


def instants() -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - they ask so


_STRATEGIES: dict[Any, st.SearchStrategy[Any]] = {
    EmailAddress: emails(),
    DisplayName: display_names(),
    Country: st.sampled_from(sorted(countries())),
    Locale: st.sampled_from(_LOCALES),
    BirthDate: st.dates(date(1900, 1, 1), date(2012, 12, 31)),
    Purpose: st.from_regex(r"\A[a-z][a-z0-9-]{0,39}\Z"),
    DocumentVersion: st.from_regex(r"\A[0-9A-Za-z][0-9A-Za-z.-]{0,31}\Z"),
    Reason: reasons(),
    ExternalId: st.from_regex(r"\A[\x21-\x7e]{1,64}\Z"),
    AccessPurpose: st.from_regex(r"\A[0-9A-Za-z][0-9A-Za-z ._:/#-]{0,99}\Z"),
    Reading: st.sampled_from(Reading),
    str: st.text(),
    int: st.integers(0, 2**31),
    tuple[UUID, ...]: st.lists(st.uuids(), max_size=5).map(tuple),
    datetime: instants(),
    bool: st.booleans(),
    UUID: st.uuids(),
    types.NoneType: st.none(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this type may hold. A type that is not known here is an error: give it a strategy."""
    if get_origin(annotation) is Annotated:
        return values_of(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return st.one_of([values_of(choice) for choice in get_args(annotation)])
    return _STRATEGIES[annotation]


def events(event_type: type[AggregateEvent]) -> st.SearchStrategy[AggregateEvent]:
    """Events of one type, with all that its fields may hold, at any place in any stream."""
    payload = {field.name: values_of(field.type) for field in payload_fields(event_type)}
    places = {"stream_id": st.uuids(), "version": st.integers(1, 2**31 - 1)}
    return st.builds(event_of, st.just(event_type), **places, **payload)
