"""What a process has for the ports of badges."""

from application.badges.queries import Badges
from application.ports import Ports
from infrastructure.badges.queries import BadgeQueries
from infrastructure.parts import Parts


def ports(parts: Parts) -> Ports:
    """By port."""
    return {Badges: BadgeQueries(parts.lists)}
