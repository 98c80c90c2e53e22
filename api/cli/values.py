"""Converters for arguments of commands."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from cyclopts import Parameter, Token, validators
from msgspec.structs import replace

from application.history.topics import Topic, parse_topic
from application.record_filters import ActorName, parse_actor
from application.statistics.counts import parse_day
from infrastructure.settings import Settings, settings_from

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]


def instant(_: Any, tokens: Sequence[Token]) -> datetime:
    """A moment in ISO 8601; in UTC, unless it has an offset."""
    try:
        parsed = datetime.fromisoformat(tokens[0].value)
    except ValueError:
        raise ValueError("an instant looks like 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def day(_: Any, tokens: Sequence[Token]) -> date:
    """A day in ISO 8601."""
    return parse_day(tokens[0].value)


def actor(_: Any, tokens: Sequence[Token]) -> ActorName:
    """An actor, written as events name them."""
    return parse_actor(tokens[0].value)


def topic(_: Any, tokens: Sequence[Token]) -> Topic:
    """A topic that timelines have."""
    return parse_topic(tokens[0].value)


ByActor = Annotated[ActorName | None, Parameter(converter=actor)]
RecordedFrom = Annotated[datetime | None, Parameter(name="--from", converter=instant)]
RecordedTo = Annotated[datetime | None, Parameter(name="--to", converter=instant)]


def settings_for(host: str | None, port: int | None) -> Settings:
    """The settings of the environment, overridden by the command line."""
    settings = settings_from()
    return replace(settings, host=host or settings.host, port=settings.port if port is None else port)
