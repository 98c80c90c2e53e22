"""`reprise audit accesses`: who read whose personal data, when and why."""

from typing import Annotated
from uuid import UUID

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from api.access_records.views import AccessView, access_view
from api.cli.catching_up import catch_up
from api.cli.database import open_database
from api.cli.pages import Pages, write_pages
from api.cli.terminal import shown
from api.cli.values import ByActor, RecordedFrom, RecordedTo
from application.access_records.access_log import ACCESS_LOG, AccessEntry
from application.access_records.recording import AccessFilter, AccessLog
from application.ports import Service
from domain.access_records.access_record import Reading
from infrastructure.postgres.logins import Login

PEOPLE_SHOWN = 3


def accesses(
    *,
    user: UUID | None = None,
    actor: ByActor = None,
    reading: Reading | None = None,
    recorded_from: RecordedFrom = None,
    recorded_to: RecordedTo = None,
    limit: PositiveInt = 100,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    json: bool = False,
) -> None:
    """Show who read whose personal data, when and why, in the order of the log.

    Parameters
    ----------
    user
        Whose data: the id of a user.
    actor
        Read by this actor, written as role:id, such as support:carol or system:cli.
    reading
        What was read.
    recorded_from
        Recorded at this instant or later, in UTC unless it has an offset.
    recorded_to
        Recorded before this instant.
    limit
        Show at most this many.
    everything
        Show all of them.
    json
        Write JSON.

    """
    wanted = AccessFilter(
        user_id=user, actor=actor, reading=reading, recorded_from=recorded_from, recorded_to=recorded_to
    )

    async def tell(service: Service) -> None:
        pages = Pages[AccessEntry](
            lambda page: service.using(AccessLog).page(wanted, page), limit=None if everything else limit
        )
        await write_pages(pages, access_view, _line, json=json)

    with open_database(Login.WORKER) as database:
        catch_up(database.conninfo, ACCESS_LOG)
        database.with_service(tell)


def _line(told: AccessView) -> str:
    """Position, instant, who read what, whose it was, why."""
    by = " for ".join(filter(None, [told.actor or "-", told.on_behalf_of]))
    words = [
        f"{shown(told.position):>12}",
        shown(told.recorded_at),
        f"{told.reading or f'{told.lost} unrecorded':<10}",
        by + (f" through {told.client}" if told.client else ""),
        told.purpose or "",
        _people(told.user_ids) or told.query or "",
    ]
    return "  ".join(word for word in words if word)


def _people(user_ids: list[UUID]) -> str:
    more = f" and {len(user_ids) - PEOPLE_SHOWN} more" if len(user_ids) > PEOPLE_SHOWN else ""
    return ", ".join(map(str, user_ids[:PEOPLE_SHOWN])) + more
