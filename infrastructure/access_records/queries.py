"""Answers who read whose personal data, from the read model `access_log`."""

from psycopg import sql

from application.access_records.access_log import ACCESS_LOG, AccessEntry
from application.access_records.recording import AccessFilter
from application.queries import Page, PageRequest
from infrastructure.queries.cursors import Cursors
from infrastructure.queries.pages import BETWEEN_INSTANTS, Pages, given, page_size
from infrastructure.queries.read_model import Lists, ReadModel, Selection

_CONDITIONS = {
    "user_id": sql.SQL("m.user_ids @> ARRAY[%(user_id)s]::uuid[]"),
    "actor": sql.SQL("m.actor = %(actor)s"),
    "reading": sql.SQL("m.reading = %(reading)s"),
    **BETWEEN_INSTANTS,
    "after": sql.SQL('m."position" > %(after)s'),
}
# Sorting what is on record about one person takes no time. The planner may think that walking along the whole log in
# its order, until a page is full, takes even less.
_ORDER_OF_ONE = sql.SQL('m."position" + 0')
_ORDER = sql.SQL('m."position"')


class AccessLogQueries:
    """The access log, as ports see it."""

    def __init__(self, lists: Lists, cursors: Cursors) -> None:
        self._model = ReadModel(lists, ACCESS_LOG, AccessEntry)
        self._pages = Pages(cursors, "accesses")

    async def page(self, wanted: AccessFilter, page: PageRequest) -> Page[AccessEntry]:
        """Access records in the order of the log."""
        place = self._pages.place(wanted, page)
        selection = _selection(wanted, None if place is None else int.from_bytes(place), page_size(page) + 1)
        selected = await self._model.select(selection, page.freshness)
        entries = [entry for entry, _ in selected.rows]
        return self._pages.page(wanted, page, entries, selected.position, lambda entry: entry.position.to_bytes(8))


def _selection(wanted: AccessFilter, after: int | None, limit: int) -> Selection:
    parameters = given(wanted) | ({} if after is None else {"after": after})
    clauses = sql.SQL("WHERE {} ORDER BY {} LIMIT %(limit)s").format(
        sql.SQL(" AND ").join([sql.SQL("true"), *(_CONDITIONS[name] for name in parameters)]),
        _ORDER if wanted.user_id is None else _ORDER_OF_ONE,
    )
    return Selection(clauses, {**parameters, "limit": limit})
