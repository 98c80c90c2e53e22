"""`reprise audit diff`: what changed about a user between two moments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cyclopts import Parameter, Token

from api.access_records.cli.recording import put_on_record
from api.cli.database import open_database
from api.cli.failures import ExitCode, Failure, NotFound
from api.cli.terminal import Rows, answer, shown
from api.cli.values import instant
from api.history.diff_views import FieldChangeView, UserDiffView, user_diff_view
from api.users.cli.finding_users import find_user
from application.ports import Service
from application.users.diff import DiffIsBackwardsError, UserDiff
from application.users.queries import Moment, Users
from domain.access_records.access_record import Reading
from infrastructure.postgres.logins import Login


def moment(_: Any, tokens: Sequence[Token]) -> int | datetime:
    """A version in digits, or an instant."""
    text = tokens[0].value
    return int(text) if text.isdecimal() else instant(_, tokens)


def diff(
    user: str,
    /,
    *,
    old: Annotated[int | datetime, Parameter(name="--from", converter=moment)] = 0,
    new: Annotated[int | datetime | None, Parameter(name="--to", converter=moment)] = None,
    purpose: str | None = None,
    json: bool = False,
) -> None:
    """Show what changed about a user between two moments: each field, and the event that changed it last.

    Parameters
    ----------
    user
        The user's id or current email address.
    old
        A version (0 is before the registration) or an instant, in UTC unless it has an offset.
    new
        A version or an instant (default: now).
    purpose
        Why you look at the data, for the record: a ticket or case.
    json
        Write JSON.

    """

    async def compared(service: Service) -> UserDiffView:
        found = await _diff(service, user_id, old, new)
        put_on_record(service, Reading.DIFF, [user_id], purpose)
        return user_diff_view(found)

    with open_database(Login.API) as database:
        user_id = find_user(database, user)
        found = database.with_service(compared)
    answer(
        found,
        f"Version {found.old.version} to {found.new.version}, {shown(found.new.recorded_at)} UTC:",
        Rows(("field", "old", "new", "recorded at", "what", "by", "why"), map(_row, found.changes)),
        json=json,
    )


async def _diff(service: Service, user_id: UUID, old: int | datetime, new: int | datetime | None) -> UserDiff:
    present = Moment(position=await service.log.head())
    try:
        found = await service.using(Users).diff(user_id, _moment(old), present if new is None else _moment(new))
    except DiffIsBackwardsError:
        raise Failure("--from must not be later than --to.", "usage", ExitCode.USAGE) from None
    if found is None:
        raise NotFound("There is no such user, or there was none at that moment.")
    return found


def _moment(given: int | datetime) -> Moment:
    return Moment(version=given) if isinstance(given, int) else Moment(at=given)


def _row(change: FieldChangeView) -> tuple[Any, ...]:
    old, new = (_told(value) for value in (change.old, change.new))
    by = " for ".join(filter(None, [change.actor or "-", change.on_behalf_of]))
    return change.field, old, new, change.recorded_at, change.topic, by, change.reason


def _told(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
