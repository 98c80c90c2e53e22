"""Topics to search the timeline for, parsed, because filters of exports are recorded themselves, in clear."""

from typing import NewType

from application.history.timeline import USER_TIMELINE
from application.record_filters import FilterInvalidError

Topic = NewType("Topic", str)
"""A topic (`user.suspended`)."""
TOPIC_RULE = "There is no such topic in timelines; user.suspended is one."
_TOPICS = frozenset(USER_TIMELINE.topics)


def parse_topic(text: str) -> Topic:
    """A topic of timelines. Raises `FilterInvalidError`."""
    if text not in _TOPICS:
        raise FilterInvalidError(TOPIC_RULE)
    return Topic(text)
