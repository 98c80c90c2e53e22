"""Answers what was done to accounts, from the read model `user_timeline` and the log."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql

from application.history.queries import AuditFilter, Findings, TimelineItem
from application.history.timeline import USER_TIMELINE, TimelineEntry, TimelineRow
from application.queries import AS_IT_IS, Freshness, Page, PageRequest
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.reasons import open_reason, subject_of, subjects_of
from infrastructure.encryption.subject_keys import PLATFORM
from infrastructure.history.search_plan import search_for
from infrastructure.log.event_codec import UndecodableEventError, UnknownTopicError, check, payload
from infrastructure.log.opened_rows import open_with
from infrastructure.queries.cursors import Cursors
from infrastructure.queries.pages import Pages, given, page_size
from infrastructure.queries.read_model import Lists, ReadModel, Selected, Selection

BATCH = 1_000
"""Events read at a time, if all are wanted."""


class TimelineQueries:
    """The timeline, as ports see it."""

    def __init__(self, lists: Lists, keys: SubjectKeys, cursors: Cursors) -> None:
        self._keys = keys
        self._model = ReadModel(lists, USER_TIMELINE, TimelineRow)
        self._of_user = Pages(cursors, "timeline")
        self._search = Pages(cursors, "audit")

    async def of_user(self, user_id: UUID, page: PageRequest) -> Page[TimelineItem]:
        """One account's events with their content, oldest first."""
        parameters = {"user_id": user_id} | _after(self._of_user.place(user_id, page))
        selection = _selection(parameters, page_size(page) + 1, also=_STORED)
        selected = await self._model.select(selection, page.freshness)
        entries = await self._entries(selected, for_user=user_id)
        facts = {row.position: (topic, state, row.stream_id, row.version) for row, (_, topic, state) in selected.rows}
        # What is personal about somebody else stays sealed, whatever they have to do with this account.
        own = [entry.position for entry in entries if entry.user_id == user_id]
        facts |= zip(own, await open_with(self._keys, [facts[position] for position in own]), strict=True)
        items = [TimelineItem(entry=entry, data=_content(*facts[entry.position][:2])) for entry in entries]
        return self._of_user.page(user_id, page, items, selected.position, lambda item: _place(item.entry))

    async def search(self, wanted: AuditFilter, page: PageRequest) -> Page[TimelineEntry]:
        """Events in the order of the log."""
        parameters = given(wanted) | _after(self._search.place(wanted, page))
        selected = await self._model.select(_selection(parameters, page_size(page) + 1), page.freshness)
        return self._search.page(wanted, page, await self._entries(selected), selected.position, _place)

    async def all_of(self, wanted: AuditFilter, freshness: Freshness = AS_IT_IS) -> Findings[TimelineEntry]:
        """All events up to the head, in the order of the log."""
        first = await self._batch(wanted, 0, None, freshness)
        return Findings(first.position, self._batches(wanted, first))

    async def _batches(self, wanted: AuditFilter, first: Selected[TimelineRow]) -> AsyncIterator[list[TimelineEntry]]:
        """No connection is kept between batches: whoever reads slowly keeps nobody else waiting."""
        batch = first
        while batch.rows:
            yield await self._entries(batch)
            if len(batch.rows) < BATCH:
                return
            batch = await self._batch(wanted, batch.rows[-1][0].position, first.position)

    async def _batch(
        self, wanted: AuditFilter, after: int, upto: int | None, freshness: Freshness = AS_IT_IS
    ) -> Selected[TimelineRow]:
        parameters = given(wanted) | {"after": after} | ({} if upto is None else {"upto": upto})
        return await self._model.select(_selection(parameters, BATCH), freshness)

    async def _entries(self, selected: Selected[TimelineRow], for_user: UUID | None = None) -> list[TimelineEntry]:
        """Rows of the model, and why, which is in the log only; for a user, without what was stated about others."""
        rows = [(row, reason) for row, (reason, *_) in selected.rows]
        if for_user is not None:
            rows = [(row, reason if subject_of(reason) in {None, for_user, PLATFORM} else None) for row, reason in rows]
        ciphers = await self._keys.ciphers(subjects_of(reason for _, reason in rows))
        return [
            TimelineEntry(**msgspec.structs.asdict(row), reason=open_reason(ciphers, reason, row.command_id))
            for row, reason in rows
        ]


_EVENT = sql.SQL('JOIN log.event e ON e."position" = m."position"')
_REASON = sql.SQL(", e.reason")
_STORED = sql.SQL(", e.reason, e.topic, e.state")


def _selection(parameters: dict[str, Any], limit: int, also: sql.Composable = _REASON) -> Selection:
    search = search_for({**parameters, "limit": limit})
    return Selection(sql.SQL(search.clauses), search.parameters, also, _EVENT, search.source)


def _after(place: bytes | None) -> dict[str, int]:
    return {} if place is None else {"after": int.from_bytes(place)}


def _content(topic: str, state: bytes) -> dict[str, Any] | None:
    """The payload, with its names as they are on the wire; None if it is not one of an event that is known."""
    try:
        check(topic, state)
        return {_camel(name): value for name, value in payload(topic, state).items()}
    except (UnknownTopicError, UndecodableEventError):
        return None


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _place(entry: TimelineEntry) -> bytes:
    return entry.position.to_bytes(8)
