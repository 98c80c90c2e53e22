"""What a process has for the ports of statistics."""

from application.ports import Ports
from application.statistics.counts import Statistics
from infrastructure.parts import Parts
from infrastructure.statistics.queries import StatisticsQueries


def ports(parts: Parts) -> Ports:
    """By port."""
    return {Statistics: StatisticsQueries(parts.lists)}
