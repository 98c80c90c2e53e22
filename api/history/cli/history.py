"""`reprise audit`: what was done, when, by whom and why."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import Parameter
from cyclopts.types import PositiveInt

from api.access_records.cli.recording import put_on_record
from api.cli.catching_up import catch_up
from api.cli.database import open_database
from api.cli.failures import NotFound
from api.cli.pages import Pages, write_pages
from api.cli.terminal import answer, shown
from api.cli.values import ByActor, RecordedFrom, RecordedTo
from api.cli.values import topic as as_topic
from api.history.cli.exporting import write_export
from api.history.export_formats import ExportFormat
from api.history.views import FactView, FactWithDataView, fact, fact_with_data
from api.users.cli.finding_users import find_user
from application.history.queries import AuditFilter, Timeline, TimelineItem
from application.history.timeline import USER_TIMELINE, TimelineEntry
from application.history.topics import Topic
from application.ports import Service
from application.unreadable import UNREADABLE, HistoryUnreadableError
from application.users.queries import Users
from domain.access_records.access_record import Reading
from infrastructure.postgres.logins import Login


def history(user: str, /, *, purpose: str | None = None, json: bool = False) -> None:
    """Show all events of one account with their content, oldest first.

    Parameters
    ----------
    user
        The user's id or current email address.
    purpose
        Why you look at the data, for the record: a ticket or case.
    json
        Write JSON.

    """

    async def tell(service: Service) -> None:
        await _must_exist(service, user_id)
        put_on_record(service, Reading.TIMELINE, [user_id], purpose)
        pages = Pages[TimelineItem](lambda page: service.using(Timeline).of_user(user_id, page), limit=None)
        await write_pages(pages, fact_with_data, _line, json=json)

    with open_database(Login.WORKER) as database:
        catch_up(database.conninfo, USER_TIMELINE)
        user_id = find_user(database, user)
        database.with_service(tell)


async def _must_exist(service: Service, user_id: UUID) -> None:
    with suppress(HistoryUnreadableError):  # so there is one, and the list says what cannot be read
        found, _ = await service.using(Users).user(user_id)
        if found is None:
            raise NotFound("There is no such user.")


def search(  # noqa: PLR0913 - one for each thing to search for
    *,
    actor: ByActor = None,
    user: UUID | None = None,
    topic: Annotated[Topic | None, Parameter(converter=as_topic)] = None,
    recorded_from: RecordedFrom = None,
    recorded_to: RecordedTo = None,
    command: UUID | None = None,
    correlation: UUID | None = None,
    limit: PositiveInt = 100,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    output: Path | None = None,
    form: Annotated[ExportFormat, Parameter(name="--format")] = ExportFormat.JSONL,
    purpose: str | None = None,
    json: bool = False,
) -> None:
    """Search the events of all accounts, in the order of the log.

    Parameters
    ----------
    actor
        Recorded for this actor, written as role:id, such as admin:ann or system:import.
    user
        About the user with this id.
    topic
        Of this topic, such as user.country_changed.
    recorded_from
        Recorded at this instant or later, in UTC unless it has an offset.
    recorded_to
        Recorded before this instant.
    command
        Recorded by the command with this id.
    correlation
        Recorded by commands with this correlation id. All events of one import have the same.
    limit
        Show at most this many.
    everything
        Show all of them.
    output
        Write all of them to this file instead. Only its owner can read it.
    form
        The format of that file.
    purpose
        Why you look at the data, for the record: a ticket or case.
    json
        Write JSON.

    """
    wanted = AuditFilter(
        actor=actor,
        user_id=user,
        topic=topic,
        recorded_from=recorded_from,
        recorded_to=recorded_to,
        command_id=command,
        correlation_id=correlation,
    )

    async def tell(service: Service) -> None:
        people = [] if user is None else [user]
        reading = Reading.EXPORT if output else Reading.SEARCH
        put_on_record(service, reading, people, purpose, msgspec.json.encode(wanted).decode())
        if output:
            count = await write_export(await service.using(Timeline).all_of(wanted), output, form)
            answer({"facts": count, "file": str(output)}, f"{shown(count)} events are in {output}.", json=json)
            return
        pages = Pages[TimelineEntry](
            lambda page: service.using(Timeline).search(wanted, page), limit=None if everything else limit
        )
        await write_pages(pages, fact, _line, json=json)

    with open_database(Login.WORKER) as database:
        catch_up(database.conninfo, USER_TIMELINE)
        database.with_service(tell)


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
        _content(told) if isinstance(told, FactWithDataView) else "",
    ]
    return "  ".join(word for word in words if word)


def _content(told: FactWithDataView) -> str:
    return UNREADABLE if told.unreadable else msgspec.json.encode(told.data).decode()
