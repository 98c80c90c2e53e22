"""`reprise audit`: what was done, when, by whom and why."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from cyclopts import App, Parameter
from cyclopts.types import PositiveInt

from api.cli.catching_up import catch_up
from api.cli.comparing import diff
from api.cli.exporting import write_export
from api.cli.failures import NotFound, explained
from api.cli.finding_users import find_user
from api.cli.proving import bundle, checkpoint, keys, prove, rotate_key
from api.cli.terminal import JsonList, say, shown, write_json
from api.cli.values import instant
from api.cli.verifying import verify
from api.exports import ExportFormat
from api.views import FactView, FactWithDataView, fact, fact_with_data
from application.queries import PAGE_LIMIT, AuditFilter, Page, PageRequest, TimelineItem
from application.user_timeline import USER_TIMELINE, TimelineEntry
from infrastructure.database import migrated_database, require_data
from infrastructure.service import open_service
from infrastructure.settings import settings_from

app = App(name="audit", help="Find out what was done, when, by whom and why.")
for proving_command in (diff, checkpoint, keys, rotate_key, prove, bundle, verify):
    app.command(proving_command)

ItemT = TypeVar("ItemT")
NextPage = Callable[[PageRequest], Awaitable[Page[ItemT]]]


@app.command
def history(user: str, /, *, json: bool = False) -> None:
    """Tell all that was done to one account, oldest first, with what it was changed to.

    Parameters
    ----------
    user
        The user's id, or the email address that they hold now.
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)

    async def tell(conninfo: str) -> None:
        user_id = await find_user(settings, conninfo, user)
        async with open_service(settings, conninfo) as service:
            found, _ = await service.users.user(user_id)
            if found is None:
                raise NotFound("There is no such user.")
            pages = Pages[TimelineItem](lambda page: service.timeline.of_user(user_id, page), limit=None)
            await _write(pages, fact_with_data, json=json)

    with migrated_database(settings) as conninfo:
        catch_up(conninfo, USER_TIMELINE)
        asyncio.run(tell(conninfo))


@app.command
def search(  # noqa: PLR0913 - one for each thing to search for
    *,
    actor: str | None = None,
    user: UUID | None = None,
    topic: str | None = None,
    recorded_from: Annotated[datetime | None, Parameter(name="--from", converter=instant)] = None,
    recorded_to: Annotated[datetime | None, Parameter(name="--to", converter=instant)] = None,
    command: UUID | None = None,
    correlation: UUID | None = None,
    limit: PositiveInt = 100,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    output: Path | None = None,
    form: Annotated[ExportFormat, Parameter(name="--format")] = ExportFormat.JSONL,
    json: bool = False,
) -> None:
    """Search through all that was done to any account, in the order of the log.

    Parameters
    ----------
    actor
        Done by this actor, written as role:id, such as admin:ann or system:import.
    user
        Done to the user with this id.
    topic
        Of this kind, such as user.country_changed.
    recorded_from
        Recorded at this instant or later; in UTC, unless it has an offset.
    recorded_to
        Recorded before this instant.
    command
        By the command with this id.
    correlation
        By commands with this correlation id; all people of one import have the same.
    limit
        Tell no more than so many.
    everything
        Tell all there are, however many.
    output
        Write all there are to this file instead.
    form
        How to write that file.
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    wanted = AuditFilter(
        actor=actor,
        user_id=user,
        topic=topic,
        recorded_from=recorded_from,
        recorded_to=recorded_to,
        command_id=command,
        correlation_id=correlation,
    )

    async def tell(conninfo: str) -> None:
        async with open_service(settings, conninfo) as service:
            if output:
                count = await write_export(await service.timeline.all_of(wanted), output, form)
                _say_exported(count, output, json=json)
                return
            pages = Pages[TimelineEntry](
                lambda page: service.timeline.search(wanted, page), limit=None if everything else limit
            )
            await _write(pages, fact, json=json)

    with migrated_database(settings) as conninfo:
        catch_up(conninfo, USER_TIMELINE)
        asyncio.run(tell(conninfo))


def _say_exported(count: int, output: Path, *, json: bool) -> None:
    if json:
        write_json({"facts": count, "file": str(output)})
    else:
        say(f"{shown(count)} facts are in {output}.")


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


async def _write(pages: Pages[ItemT], view: Callable[[ItemT], FactView], *, json: bool) -> None:
    if json:
        await _write_json(pages, view)
        return
    async for item in pages.items():
        say(_line(view(item)))
    if pages.has_more:
        say("There is more: --all tells it, --limit more of it.")


async def _write_json(pages: Pages[ItemT], view: Callable[[ItemT], FactView]) -> None:
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


def _line(told: FactView) -> str:
    """Position, instant, what, to whom, by whom, why."""
    by = " for ".join(filter(None, [told.actor or "-", told.on_behalf_of]))
    words = [
        f"{shown(told.position):>12}",
        shown(told.recorded_at),
        f"{told.topic:<38}",
        str(told.user_id),
        by + (f" through {told.client}" if told.client else ""),
        told.reason or "",
        msgspec.json.encode(told.data).decode() if isinstance(told, FactWithDataView) else "",
    ]
    return "  ".join(word for word in words if word)
