"""Searches and lists people, from the read model `user_directory`."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from psycopg import sql

from application.queries import DirectoryFilter, Page, PageRequest
from application.user_directory import USER_DIRECTORY, UserEntry, name_key
from domain.values import address_beginning, email_key
from infrastructure.keyring import Cursors
from infrastructure.queries.pages import Pages, page_size
from infrastructure.queries.read_model import Lists, ReadModel, Selection

LAST_CHARACTER = "\U0010ffff"

_CONDITIONS = {
    "email": sql.SQL("m.email_key = %(email)s"),
    "external_id": sql.SQL("m.external_id = %(external_id)s"),
    "q": sql.SQL(
        "(m.name_key >= %(q)s AND m.name_key < %(q_end)s"
        " OR m.email_key >= %(address)s AND m.email_key < %(address_end)s)"
    ),
    "country": sql.SQL("m.country = %(country)s"),
    "status": sql.SQL("m.status = %(status)s"),
    "created_after": sql.SQL("m.created_at > %(created_after)s"),
    "after": sql.SQL("m.user_id > %(after)s"),
}


class DirectoryQueries:
    """The directory, as ports see it."""

    def __init__(self, lists: Lists, cursors: Cursors) -> None:
        self._model = ReadModel(lists, USER_DIRECTORY, UserEntry)
        self._pages = Pages(cursors, "directory")

    async def page(self, wanted: DirectoryFilter, page: PageRequest) -> Page[UserEntry]:
        """People in the order of their ids."""
        place = self._pages.place(wanted, page)
        parameters = dict(_parameters(wanted))
        if place is not None:
            parameters["after"] = UUID(bytes=place)
        conditions = [condition for name, condition in _CONDITIONS.items() if name in parameters]
        clauses = sql.SQL("WHERE {} ORDER BY m.user_id LIMIT %(limit)s").format(
            sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
        )
        parameters["limit"] = page_size(page) + 1
        selected = await self._model.select(Selection(clauses, parameters), page.freshness)
        entries = [row for row, _ in selected.rows]
        return self._pages.page(wanted, page, entries, selected.position, lambda entry: entry.user_id.bytes)


def _parameters(wanted: DirectoryFilter) -> Iterator[tuple[str, Any]]:
    if wanted.email is not None:
        yield "email", email_key(wanted.email)
    if wanted.q is not None:
        yield "q", name_key(wanted.q)
        yield "q_end", name_key(wanted.q) + LAST_CHARACTER
        yield "address", address_beginning(wanted.q)
        yield "address_end", address_beginning(wanted.q) + LAST_CHARACTER
    for name in ("external_id", "country", "status", "created_after"):
        value = getattr(wanted, name)
        if value is not None:
            yield name, value
