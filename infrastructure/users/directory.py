"""Searches and lists people, in the read model `user_directory`; the holder of an address, in the log itself."""

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

from msgspec.structs import replace
from psycopg import sql

from application.queries import Freshness, Log, Page, PageRequest, PositionUnknownError
from application.users.directory import USER_DIRECTORY, UserEntry
from application.users.directory_search import entry_of, fulfils, name_or_address
from application.users.queries import DirectoryFilter
from domain.values import EmailAddress
from infrastructure.queries.cursors import Cursors
from infrastructure.queries.pages import Pages, page_size
from infrastructure.queries.read_model import Lists, ReadModel, Selected, Selection
from infrastructure.users.holders import Holders
from infrastructure.users.name_search import WALKED, NameSearch

BEFORE_ALL = UUID(int=0)

_CONDITIONS: dict[str, LiteralString] = {
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

    def __init__(self, lists: Lists, cursors: Cursors, holders: Holders, log: Log) -> None:
        self._model = ReadModel(lists, USER_DIRECTORY, UserEntry)
        self._pages = Pages(cursors, "directory")
        self._holders = holders
        self._log = log

    async def page(self, wanted: DirectoryFilter, page: PageRequest) -> Page[UserEntry]:
        """People in the order of their ids; the holder of an address is always current."""
        place = self._pages.place(wanted, page)
        after = None if place is None else UUID(bytes=place)
        if wanted.email is None:
            selected = await self._select(wanted, after, page_size(page) + 1, await self._freshness(wanted, page))
            entries, position = [row for row, _ in selected.rows], selected.position
        else:
            entry, position = await self._holder(wanted.email, page.freshness)
            entries = [entry] if entry and fulfils(entry, wanted) and (after is None or entry.user_id > after) else []
        return self._pages.page(wanted, page, entries, position, lambda entry: entry.user_id.bytes)

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

    async def _freshness(self, wanted: DirectoryFilter, page: PageRequest) -> Freshness:
        """Other systems decide by an external id whether to register somebody: it is looked for as of now."""
        if wanted.external_id is None or not page.best_effort:
            return page.freshness
        return replace(page.freshness, position=await self._log.head())

    async def _holder(self, address: EmailAddress, freshness: Freshness) -> tuple[UserEntry | None, int]:
        user, position = await self._holders.holder(address)
        if position < freshness.position:
            raise PositionUnknownError
        return None if user is None else entry_of(user), position


def _given(wanted: DirectoryFilter) -> Iterator[tuple[str, Any]]:
    for name in ("external_id", "country", "status", "created_after"):
        value = getattr(wanted, name)
        if value is not None:
            yield name, value
