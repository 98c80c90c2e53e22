"""Searches and lists people: by the read model `user_directory`."""

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from application.directory_search import name_or_address
from application.queries import DirectoryFilter, Freshness, Page, PageRequest
from application.user_directory import USER_DIRECTORY, UserEntry
from domain.values import email_key
from infrastructure.keyring import Cursors
from infrastructure.queries.name_search import WALKED, NameSearch
from infrastructure.queries.pages import Pages, page_size
from infrastructure.queries.read_model import Lists, ReadModel, Selected, Selection

BEFORE_ALL = UUID(int=0)

_CONDITIONS: dict[str, LiteralString] = {
    "email": "m.email_key = %(email)s",
    "external_id": "m.external_id = %(external_id)s",
    "country": "m.country = %(country)s",
    "status": "m.status = %(status)s",
    "created_after": "m.created_at > %(created_after)s",
    "begin": "m.user_id > %(begin)s",
}
_IN_ORDER = sql.SQL(" ORDER BY m.user_id LIMIT %(limit)s")
_IN_PLACE = sql.SQL(" ORDER BY m.place LIMIT %(limit)s")


class DirectoryQueries:
    """The directory, as ports see it."""

    def __init__(self, lists: Lists, cursors: Cursors) -> None:
        self._model = ReadModel(lists, USER_DIRECTORY, UserEntry)
        self._pages = Pages(cursors, "directory")

    async def page(self, wanted: DirectoryFilter, page: PageRequest) -> Page[UserEntry]:
        """People in the order of their ids."""
        place = self._pages.place(wanted, page)
        after = None if place is None else UUID(bytes=place)
        selected = await self._select(wanted, after, page_size(page) + 1, page.freshness)
        entries = [row for row, _ in selected.rows]
        return self._pages.page(wanted, page, entries, selected.position, lambda entry: entry.user_id.bytes)

    async def _select(
        self, wanted: DirectoryFilter, after: UUID | None, limit: int, freshness: Freshness
    ) -> Selected[UserEntry]:
        parameters = dict(_given(wanted)) | {"begin": after or BEFORE_ALL, "limit": limit}
        conditions = " AND ".join(condition for name, condition in _CONDITIONS.items() if name in parameters)
        if wanted.q is None:
            clauses = sql.SQL("WHERE {}").format(sql.SQL(conditions)) + _IN_ORDER
            return await self._model.select(Selection(clauses, parameters), freshness)
        search = NameSearch(name_or_address(wanted.q))
        return await self._search(search, conditions, parameters | search.parameters, freshness)

    async def _search(
        self, search: NameSearch, conditions: LiteralString, parameters: dict[str, Any], freshness: Freshness
    ) -> Selected[UserEntry]:
        walked = await self._walk(search, conditions, parameters | {"walked": WALKED}, freshness)
        if walked is not None:
            return walked
        clauses = sql.SQL("WHERE {} AND {}").format(sql.SQL(conditions), search.condition) + _IN_PLACE
        return await self._model.select(Selection(clauses, parameters, source=search.look_up()), freshness)

    async def _walk(
        self, search: NameSearch, conditions: LiteralString, parameters: dict[str, Any], freshness: Freshness
    ) -> Selected[UserEntry] | None:
        """What is found in the next rows; None if that is less than a page, and rows are left."""
        # In the order of the list it can end early. With other filters the planner pays too much for that order: it
        # takes a page to be full soon, and walks past all whom they leave out.
        order = _IN_ORDER if conditions == _CONDITIONS["begin"] else _IN_PLACE
        clauses = sql.SQL("WHERE {} OR m.place = %(walked)s").format(search.condition) + order
        also = sql.SQL(", {}, m.place").format(search.condition)
        selection = Selection(clauses, parameters, also, source=search.walk(conditions))
        selected = await self._model.select(selection, freshness)
        found = [(row, ()) for row, (is_found, _) in selected.rows if is_found]
        is_cut = any(place == parameters["walked"] for _, (_, place) in selected.rows)
        return None if is_cut and len(found) < parameters["limit"] else Selected(found, selected.position)


def _given(wanted: DirectoryFilter) -> Iterator[tuple[str, Any]]:
    if wanted.email is not None:
        yield "email", email_key(wanted.email)
    for name in ("external_id", "country", "status", "created_after"):
        value = getattr(wanted, name)
        if value is not None:
            yield name, value
