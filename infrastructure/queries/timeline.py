"""Tells what was done to people's accounts, from the read model `user_timeline` and the log."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql

from application.queries import AuditFilter, Page, PageRequest, TimelineItem
from application.user_timeline import USER_TIMELINE, TimelineEntry
from infrastructure.keyring import Cursors
from infrastructure.queries.pages import Pages, page_size
from infrastructure.queries.read_model import Pool, ReadModel, Selection

_CONDITIONS = {
    "actor": sql.SQL("m.actor = %(actor)s"),
    "user_id": sql.SQL("m.user_id = %(user_id)s"),
    "topic": sql.SQL("m.topic = %(topic)s"),
    "recorded_from": sql.SQL("m.recorded_at >= %(recorded_from)s"),
    "recorded_to": sql.SQL("m.recorded_at < %(recorded_to)s"),
    "command_id": sql.SQL("m.command_id = %(command_id)s"),
    "correlation_id": sql.SQL("m.correlation_id = %(correlation_id)s"),
    "after": sql.SQL('m."position" > %(after)s'),
}


class TimelineQueries:
    """The timeline, as ports see it."""

    def __init__(self, pool: Pool, cursors: Cursors, wait_seconds: float) -> None:
        self._model = ReadModel(pool, USER_TIMELINE, wait_seconds, TimelineEntry)
        self._of_user = Pages(cursors, "timeline")
        self._search = Pages(cursors, "audit")

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[TimelineItem]:
        """One account's facts with their content, oldest first."""
        selection = _selection(
            {"user_id": user_id}, self._of_user.place(user_id, page), page, also=sql.SQL(", e.state"), joined=_EVENT
        )
        selected = await self._model.select(selection, page.min_position)
        items = [TimelineItem(entry=entry, data=_content(state)) for entry, (state,) in selected.rows]
        return self._of_user.page(user_id, page, items, selected.position, lambda item: _place(item.entry))

    async def search(self, wanted: AuditFilter, page: PageRequest) -> Page[TimelineEntry]:
        """Facts in the order of the log."""
        selection = _selection(dict(_given(wanted)), self._search.place(wanted, page), page)
        selected = await self._model.select(selection, page.min_position)
        entries = [entry for entry, _ in selected.rows]
        return self._search.page(wanted, page, entries, selected.position, _place)


_EVENT = sql.SQL('JOIN log.event e ON e."position" = m."position"')


def _selection(
    parameters: dict[str, Any],
    place: bytes | None,
    page: PageRequest,
    also: sql.Composable = sql.SQL(""),
    joined: sql.Composable = sql.SQL(""),
) -> Selection:
    if place is not None:
        parameters["after"] = int.from_bytes(place)
    conditions = [condition for name, condition in _CONDITIONS.items() if name in parameters]
    clauses = sql.SQL('WHERE {} ORDER BY m."position" LIMIT %(limit)s').format(
        sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    )
    return Selection(clauses, {**parameters, "limit": page_size(page) + 1}, also, joined)


def _given(wanted: AuditFilter) -> Iterator[tuple[str, Any]]:
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        if value is not None:
            yield name, value


def _content(state: bytes) -> dict[str, Any]:
    """The stored payload, with its names as they are on the wire."""
    return {_camel(name): value for name, value in msgspec.json.decode(state, type=dict[str, Any]).items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _place(entry: TimelineEntry) -> bytes:
    return entry.position.to_bytes(8)
