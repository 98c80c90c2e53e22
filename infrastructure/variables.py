"""How environment variables are declared: what each is called, how its text is read, and what its page says.

`infrastructure.settings` has the declarations.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from application.policy import DAY
from domain.limits import REMEMBERED, Limit


class UnreadableTextError(ValueError):
    """What a variable must be instead, such as `must be yes or no`."""


class Variable(msgspec.Struct, frozen=True):
    """An environment variable."""

    name: str
    sets: str
    """What it sets, in Markdown."""
    read: Callable[[str], Any] = str
    """Its value. Raises `UnreadableTextError`."""
    default: str | None = None
    """The default in Markdown, if it does not follow from the field."""


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """Reads a number within limits; of a unit, if it has one."""

    lowest: float = 0
    highest: float
    unit: Any = 1.0

    def __call__(self, text: str) -> Any:
        """As many units. Raises `UnreadableTextError`."""
        return self._number(text) * self.unit

    @property
    def limits(self) -> str:
        """From what to what."""
        return f"{self.lowest:,g} to {self.highest:,g}"

    def shown(self, value: Any) -> str:
        """How many units a value is."""
        return f"{value / self.unit:,g}"

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not self.lowest <= number <= self.highest:
            raise UnreadableTextError(f"must be a number from {self.lowest:g} to {self.highest:g}")
        return number


class WholeNumber(Number, frozen=True, kw_only=True):
    """Reads a number that counts something."""

    def __call__(self, text: str) -> Any:
        """The number. Raises `UnreadableTextError`."""
        number = self._number(text)
        if number != int(number):
            raise UnreadableTextError("must be a whole number")
        return int(number)


class DailyLimit(WholeNumber, frozen=True, kw_only=True):
    """Reads how often something may happen within 24 hours."""

    lowest: float = 1
    highest: float = REMEMBERED

    def __call__(self, text: str) -> Limit:
        """The limit. Raises `UnreadableTextError`."""
        return Limit(super().__call__(text), DAY)

    def shown(self, value: Limit) -> str:
        """How often."""
        return str(value.times)


def absolute_path(text: str) -> Path:
    """A path that does not move with the working directory."""
    return Path(text).absolute()


def yes_or_no(text: str) -> bool:
    """A switch. Raises `UnreadableTextError`."""
    if text not in {"yes", "no"}:
        raise UnreadableTextError("must be yes or no")
    return text == "yes"


def url_base(text: str) -> str:
    """A URL to which paths are added."""
    return text.rstrip("/")
