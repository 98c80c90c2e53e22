"""What a process has for the ports of the history of accounts."""

from application.history.queries import Timeline
from application.ports import Ports
from infrastructure.history.timeline import TimelineQueries
from infrastructure.parts import Parts


def ports(parts: Parts) -> Ports:
    """By port."""
    return {Timeline: TimelineQueries(parts.lists, parts.keys, parts.cursors)}
