"""`reprise users`: one person's account."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from cyclopts import App, Group, Parameter, validators

from api.cli.failures import NotFound
from api.cli.finding_users import find_user
from api.cli.person_export import export
from api.cli.readings import put_on_record
from api.cli.terminal import shown, write_json, write_table
from api.cli.values import instant
from api.views import UserStateView, UserView, user_state
from application.queries import Moment
from application.service import Service
from domain.access_records import Reading
from infrastructure.database import migrated_database, require_data
from infrastructure.service import open_service
from infrastructure.settings import Settings, settings_from

app = App(name="users", help="Look at users, as they are or as they were.")
app.command(export)
MOMENT = Group(
    "Moment", help="At most one of these; without any, the user as of now.", validator=validators.mutually_exclusive
)


@app.command
def show(
    user: str,
    /,
    *,
    version: Annotated[int | None, Parameter(group=MOMENT)] = None,
    at: Annotated[datetime | None, Parameter(group=MOMENT, converter=instant)] = None,
    position: Annotated[int | None, Parameter(group=MOMENT)] = None,
    purpose: str | None = None,
    json: bool = False,
) -> None:
    """Show a user as they are, or as they were at a moment.

    Parameters
    ----------
    user
        The user's id, or the email address that they hold now.
    version
        As of this version of the user.
    at
        As of this instant; in UTC, unless it has an offset.
    position
        As of this position of the log.
    purpose
        What it is looked at for, for the record: a ticket or case.
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    moment = Moment(version=version, at=at, position=position)
    with migrated_database(settings) as conninfo:
        state = asyncio.run(_state(settings, conninfo, user, moment, purpose))
    if json:
        write_json(state)
    else:
        write_table(("", ""), _lines(state))


async def _state(settings: Settings, conninfo: str, user: str, moment: Moment, purpose: str | None) -> UserStateView:
    user_id = await find_user(settings, conninfo, user)
    async with open_service(settings, conninfo) as service:
        found = await service.users.user_at(user_id, await _given(moment, service))
        if found is None:
            raise NotFound("There is no such user, or was not at that moment.")
        put_on_record(service, Reading.STATE, [user_id], purpose)
    return user_state(found)


async def _given(moment: Moment, service: Service) -> Moment:
    if moment == Moment():
        return Moment(position=await service.log.head())
    return moment


def _lines(state: UserStateView) -> Iterator[tuple[str, Any]]:
    yield "as of", f"position {shown(state.position)}, {shown(state.recorded_at)} UTC"
    for field in msgspec.structs.fields(UserView):
        value = getattr(state.user, field.name)
        if field.name != "consents":
            yield field.encode_name, value
    for purpose, consent in state.user.consents.items():
        yield f"consent {purpose}", f"{'granted' if consent.granted else 'withdrawn'}, {consent.document_version}"
