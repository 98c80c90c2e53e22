"""Writes the items of a query, page after page, however many there are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from api.cli.failures import explained
from api.cli.terminal import JsonList, say
from application.queries import PAGE_LIMIT, Page, PageRequest

ItemT = TypeVar("ItemT")
ViewT = TypeVar("ViewT")
NextPage = Callable[[PageRequest], Awaitable[Page[ItemT]]]


class Pages(Generic[ItemT]):
    """The items of a query, page after page."""

    def __init__(self, next_page: NextPage[ItemT], limit: int | None) -> None:
        self._next_page = next_page
        self._left = limit
        self.position = 0
        """The log position that the last page reflected."""
        self.has_more = False

    async def items(self) -> AsyncIterator[ItemT]:
        """All of them, up to the limit."""
        cursor: str | None = None
        while self._left is None or self._left > 0:
            wanted = PAGE_LIMIT if self._left is None else min(PAGE_LIMIT, self._left)
            page = await self._next_page(PageRequest(limit=wanted, cursor=cursor))
            for item in page.items:
                yield item
            self._left = None if self._left is None else self._left - len(page.items)
            self.position, cursor = page.position, page.next_cursor
            self.has_more = cursor is not None
            if cursor is None:
                return


async def write_pages(
    pages: Pages[ItemT], view: Callable[[ItemT], ViewT], line: Callable[[ViewT], str], *, json: bool
) -> None:
    """Write all items, as lines or as one JSON document."""
    if json:
        await _write_json(pages, view)
        return
    async for item in pages.items():
        say(line(view(item)))
    if pages.has_more:
        say("There are more. Use --all or a higher --limit to see them.")


async def _write_json(pages: Pages[ItemT], view: Callable[[ItemT], Any]) -> None:
    document = JsonList("items")
    try:
        async for item in pages.items():
            document.add(view(item))
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        document.break_off(failure)
        raise SystemExit(failure.exit_code) from error
    document.end(position=pages.position, hasMore=pages.has_more)
