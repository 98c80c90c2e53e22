"""The account of an import: how many lines there were, and what became of them."""

from collections import Counter
from typing import Any

from application.imports.import_people import LineResult, Outcome


class Tally:
    """Counts results."""

    def __init__(self) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._codes: Counter[str] = Counter()

    def count(self, result: LineResult) -> None:
        """One more line."""
        self._outcomes[result.outcome] += 1
        if result.code is not None:
            self._codes[result.code] += 1

    @property
    def blank(self) -> int:
        """Lines with nothing on them, which are not counted as lines."""
        return self._outcomes[Outcome.BLANK]

    @property
    def lines(self) -> int:
        """Lines with something on them; each is accepted, a duplicate, about somebody who was erased, or invalid."""
        return self._outcomes.total() - self.blank

    @property
    def imported(self) -> int:
        """People who are in the log because of this import."""
        return self._outcomes[Outcome.IMPORTED]

    @property
    def already_imported(self) -> int:
        """People who are in the log because of an earlier import."""
        return self._outcomes[Outcome.ALREADY_IMPORTED]

    @property
    def accepted(self) -> int:
        """People who are in the log."""
        return self.imported + self.already_imported

    @property
    def duplicates(self) -> int:
        """Lines about an address or an external id that somebody has already."""
        return self._outcomes[Outcome.DUPLICATE]

    @property
    def erased(self) -> int:
        """Lines about people who were imported before, and have been erased since."""
        return self._outcomes[Outcome.ERASED]

    @property
    def invalid(self) -> int:
        """Lines that no state of the log would allow."""
        return self._outcomes[Outcome.INVALID]

    @property
    def refused_by_code(self) -> dict[str, int]:
        """How many lines were refused for which reason, the most frequent first."""
        return dict(self._codes.most_common())

    def as_json(self) -> dict[str, Any]:
        """The account on the wire."""
        return {
            "lines": self.lines,
            "blank": self.blank,
            "accepted": self.accepted,
            "imported": self.imported,
            "alreadyImported": self.already_imported,
            "duplicates": self.duplicates,
            "erased": self.erased,
            "invalid": self.invalid,
            "refusedByCode": self.refused_by_code,
        }
