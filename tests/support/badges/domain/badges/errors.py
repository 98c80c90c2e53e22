"""What the rules of badges can refuse."""

from domain.errors import NotFound


class BadgeNotFound(NotFound):
    """No badge has this id."""

    code = "badge_not_found"
    sentence = "There is no badge with this id."
