"""Given an aggregate, when it is asked for something, then these facts happened, or it refused.

Every scenario also checks that what happened, played again on the state before, gives the state after.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from domain.errors import DomainError
from domain.kernel import Aggregate, AggregateCreated, AggregateEvent, payload_fields
from tests.support.instants import NOW

SOME_ID = UUID("01960000-0000-7000-8000-000000000001")

AggregateT = TypeVar("AggregateT", bound=Aggregate)
Ask = Callable[[AggregateT], object]
"""Something an aggregate is asked for."""


class Fact(msgspec.Struct, frozen=True):
    """What an event says, wherever it stands."""

    event: str
    payload: dict[str, Any]


def happened(event_type: type[AggregateEvent], **payload: Any) -> Fact:
    """The fact of this type with this payload; fields that are not given have their default."""
    return fact_of(event_of(event_type, **payload))


def fact_of(event: AggregateEvent) -> Fact:
    """What a recorded event says."""
    fields = payload_fields(type(event))
    return Fact(type(event).__qualname__, {field.name: getattr(event, field.name) for field in fields})


def event_of(event_type: type[AggregateEvent], stream_id: UUID = SOME_ID, version: int = 1, **payload: Any) -> Any:
    """An event of this type, at some place in some stream."""
    place: dict[str, Any] = {"originator_id": stream_id, "originator_version": version, "timestamp": NOW}
    if issubclass(event_type, AggregateCreated):
        place["originator_topic"] = event_type.__qualname__.split(".")[0].lower()
    return event_type(**place, **payload)


def played(events: Iterable[Any], aggregate: AggregateT | None = None) -> Any:
    """The aggregate after these events; the given one is changed in place."""
    for event in events:
        aggregate = event.mutate(aggregate)
    return aggregate


def given(aggregate: AggregateT) -> "Scenario[AggregateT]":
    """Begin with an aggregate whose past is past: what it recorded until now does not count."""
    aggregate.collect_events()
    return Scenario(aggregate)


class Scenario(Generic[AggregateT]):
    def __init__(self, aggregate: AggregateT) -> None:
        self._aggregate = aggregate
        self._before = copy.deepcopy(aggregate)
        self._refusal: DomainError | None = None

    def when(self, *asks: Ask[AggregateT]) -> "Scenario[AggregateT]":
        """Ask for one thing after the other, up to the first refusal."""
        try:
            for ask in asks:
                ask(self._aggregate)
        except DomainError as refusal:
            self._refusal = refusal
        return self

    def then(self, *facts: Fact) -> None:
        """Exactly these facts were recorded, in this order; without any, nothing was."""
        if self._refusal:
            raise self._refusal
        events = self._recorded()
        assert [fact_of(event) for event in events] == list(facts)
        assert played(events, self._before) == self._aggregate

    def then_refused(self, error: type[DomainError]) -> None:
        """This was refused, and nothing was recorded or changed."""
        assert type(self._refusal) is error
        assert self._recorded() == []
        assert self._aggregate == self._before

    def _recorded(self) -> list[AggregateEvent]:
        events: Sequence[Any] = self._aggregate.collect_events()
        return list(events)
