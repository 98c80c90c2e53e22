"""`reprise users`: one person's account."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from cyclopts import Group, Parameter, validators

from api.access_records.cli.recording import put_on_record
from api.cli.database import open_database
from api.cli.failures import NotFound
from api.cli.terminal import Rows, answer, shown
from api.cli.values import instant
from api.users.cli.finding_users import find_user
from api.users.views import UserStateView, UserView, user_state
from application.ports import Service
from application.users.queries import Moment, Users
from domain.access_records.access_record import Reading
from infrastructure.postgres.logins import Login

MOMENT = Group(
    "Moment", help="At most one of these. Without one, the user as of now.", validator=validators.mutually_exclusive
)


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
        The user's id or current email address.
    version
        As of this version of the user.
    at
        As of this instant, in UTC unless it has an offset.
    position
        As of this log position.
    purpose
        Why you look at the data, for the record: a ticket or case.
    json
        Write JSON.

    """
    moment = Moment(version=version, at=at, position=position)

    async def state(service: Service) -> UserStateView:
        found = await service.using(Users).user_at(user_id, await _given(moment, service))
        if found is None:
            raise NotFound("There is no such user, or there was none at that moment.")
        put_on_record(service, Reading.STATE, [user_id], purpose)
        return user_state(found)

    with open_database(Login.API) as database:
        user_id = find_user(database, user)
        found = database.with_service(state)
    answer(found, Rows(("", ""), _lines(found)), json=json)


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
