"""Which events hold personal data."""

from domain.aggregates import AGGREGATES
from domain.kernel import AggregateEvent, event_types, personal_fields, subject_field

_PERSONAL: dict[str, type[AggregateEvent]] = {
    event_type.TOPIC: event_type  # type: ignore[attr-defined] # every event of ours has one; a test insists
    for aggregate in AGGREGATES
    for event_type in event_types(aggregate)
    if personal_fields(event_type)
}
PERSONAL_TOPICS = frozenset(_PERSONAL)
"""The events with personal data."""
SUBJECTS_ELSEWHERE = frozenset(topic for topic, event_type in _PERSONAL.items() if subject_field(event_type))
"""Those of them that stand in streams that are not the person's."""
