"""Answers counts, from the read model `user_statistics`."""

from datetime import timedelta
from typing import Any, LiteralString

from psycopg import sql

from application.queries import AS_IT_IS, Freshness
from application.statistics.counts import Counted, Counts, CountsWanted
from application.statistics.user_statistics import USER_STATISTICS
from infrastructure.queries.read_model import Lists, ReadModel, Selection

_SUMMED: LiteralString = """ AS part, greatest(t.day, %(before)s) AS day, sum(t.count)::bigint AS count
    FROM {tally} t WHERE t.measure = ANY (%(measures)s) AND t.day <= %(last)s"""
_SUMS: dict[str | None, LiteralString] = {
    None: "(SELECT t.measure, ''" + _SUMMED,
    "country": "(SELECT t.measure, t.country" + _SUMMED,
    "purpose": "(SELECT t.measure, t.purpose" + _SUMMED,
}
_CONDITIONS: dict[str, LiteralString] = {
    "country": " AND t.country = %(country)s",
    "purpose": " AND t.purpose = %(purpose)s",
}


class StatisticsQueries:
    """The statistics, as ports see them."""

    def __init__(self, lists: Lists) -> None:
        self._model = ReadModel(lists, USER_STATISTICS, Counted)

    async def counts(self, wanted: CountsWanted, freshness: Freshness = AS_IT_IS) -> Counts:
        """Counts that are not 0, in no particular order. Raises like `ReadModel.select`."""
        parameters: dict[str, Any] = {
            "measures": list(wanted.measures),
            "before": wanted.first - timedelta(days=1),
            "last": wanted.last,
            "country": wanted.country,
            "purpose": wanted.purpose,
        }
        clauses = sql.SQL("WHERE m.count <> 0")
        selected = await self._model.select(Selection(clauses, parameters, source=_source(wanted)), freshness)
        return Counts([row for row, _ in selected.rows], selected.position)


def _source(wanted: CountsWanted) -> LiteralString:
    conditions = [text for name, text in _CONDITIONS.items() if getattr(wanted, name) is not None]
    return "".join((_SUMS[wanted.by], *conditions, " GROUP BY 1, 2, 3)"))
