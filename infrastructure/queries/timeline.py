"""Tells what was done to people's accounts, from the read model `user_timeline` and the log."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql

from application.queries import AuditFilter, Page, PageRequest, TimelineItem
from application.user_timeline import USER_TIMELINE, TimelineEntry, TimelineRow
from infrastructure.event_codec import payload
from infrastructure.keyring import Cursors
from infrastructure.privacy.key_cache import SubjectKeys
from infrastructure.queries.opened_rows import REASON, open_with
from infrastructure.queries.pages import Pages, page_size
from infrastructure.queries.read_model import Pool, ReadModel, Selected, Selection

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

    def __init__(self, pool: Pool, keys: SubjectKeys, cursors: Cursors, wait_seconds: float) -> None:
        self._keys = keys
        self._model = ReadModel(pool, USER_TIMELINE, wait_seconds)
        self._of_user = Pages(cursors, "timeline")
        self._search = Pages(cursors, "audit")

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[TimelineItem]:
        """One account's facts with their content, oldest first."""
        place = self._of_user.place(user_id, page)
        selected = await self._model.select(_selection({"user_id": user_id}, place, page), page.min_position)
        facts = await self._opened(selected)
        items = [TimelineItem(entry=entry, data=_content(entry.topic, state)) for entry, state in facts]
        return self._of_user.page(user_id, page, items, selected.position, lambda item: _place(item.entry))

    async def search(self, wanted: AuditFilter, page: PageRequest) -> Page[TimelineEntry]:
        """Facts in the order of the log."""
        place = self._search.place(wanted, page)
        selected = await self._model.select(_selection(dict(_given(wanted)), place, page), page.min_position)
        entries = [entry for entry, _ in await self._opened(selected)]
        return self._search.page(wanted, page, entries, selected.position, _place)

    async def _opened(self, selected: Selected[TimelineRow]) -> list[tuple[TimelineEntry, bytes]]:
        """Rows of the model with what the log has to say about each: why, and what."""
        facts = await open_with(self._keys, [fact for _, fact in selected.rows])
        return [
            (TimelineEntry(**msgspec.structs.asdict(row), reason=fact[REASON]), fact[1])
            for (row, _), fact in zip(selected.rows, facts, strict=True)
        ]


_EVENT = sql.SQL('JOIN log.event e ON e."position" = m."position"')
_FACT = sql.SQL(
    ", e.topic, e.state, e.stream_id, e.version, e.recorded_at, e.position, "
    "e.actor, e.on_behalf_of, e.client, e.reason, e.command_id"
)


def _selection(
    parameters: dict[str, Any],
    place: bytes | None,
    page: PageRequest,
) -> Selection:
    if place is not None:
        parameters["after"] = int.from_bytes(place)
    conditions = [condition for name, condition in _CONDITIONS.items() if name in parameters]
    clauses = sql.SQL('WHERE {} ORDER BY m."position" LIMIT %(limit)s').format(
        sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    )
    return Selection(clauses, {**parameters, "limit": page_size(page) + 1}, _FACT, _EVENT)


def _given(wanted: AuditFilter) -> Iterator[tuple[str, Any]]:
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        if value is not None:
            yield name, value


def _content(topic: str, state: bytes) -> dict[str, Any]:
    """The payload, with its names as they are on the wire."""
    return {_camel(name): value for name, value in payload(topic, state).items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _place(entry: TimelineEntry) -> bytes:
    return entry.position.to_bytes(8)
