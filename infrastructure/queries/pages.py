"""Keyset pages: a page begins after the key of the last item before it, never at a number of items to skip."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from psycopg import sql

from application.queries import PAGE_LIMIT, Page, PageRequest
from infrastructure.queries.cursors import Cursors

ItemT = TypeVar("ItemT")

# Every index that ends with the position answers these, too (docs/decisions/0016-audit-search.md).
BETWEEN_INSTANTS = {
    "recorded_from": sql.SQL('m."position" > log.position_before(%(recorded_from)s)'),
    "recorded_to": sql.SQL('m."position" <= log.position_before(%(recorded_to)s)'),
}
"""Conditions on events in the order of the log: from one instant on, and before another."""


def given(wanted: msgspec.Struct) -> dict[str, Any]:
    """What a filter asks for; None asks for nothing."""
    values = ((name, getattr(wanted, name)) for name in wanted.__struct_fields__)
    return {name: value for name, value in values if value is not None}


class Pages:
    """Opens and seals the cursors of one kind of query."""

    def __init__(self, cursors: Cursors, kind: str) -> None:
        self._cursors = cursors
        self._kind = kind

    def place(self, wanted: object, page: PageRequest) -> bytes | None:
        """The key after which the page begins; None for the first page. Raises `CursorInvalidError`."""
        return self._cursors.open(self._query(wanted), page.cursor) if page.cursor is not None else None

    def page(
        self, wanted: object, page: PageRequest, found: Sequence[ItemT], position: int, key: Callable[[ItemT], bytes]
    ) -> Page[ItemT]:
        """A page of what was found, of which one more was asked for than the page holds."""
        size = page_size(page)
        items = found[:size]
        more = self._cursors.seal(self._query(wanted), key(items[-1])) if len(found) > size else None
        return Page(items=items, next_cursor=more, position=position)

    def _query(self, wanted: object) -> bytes:
        return self._kind.encode() + b" " + msgspec.json.encode(wanted)


def page_size(page: PageRequest) -> int:
    """How many items a page may hold."""
    return max(1, min(page.limit, PAGE_LIMIT))
