"""`reprise users`: one person's account."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cyclopts import App, Group, Parameter, validators

from api.cli.failures import Failure, NotFound
from api.cli.finding_users import find_user
from api.cli.operators import operator
from api.cli.person_export import export
from api.cli.readings import put_on_record
from api.cli.terminal import say, shown, write_json, write_table
from api.cli.values import instant
from api.erasure_views import ErasureView, erasure_view
from api.views import UserStateView, UserView, user_state
from application.actors import Metadata
from application.commands import CommandContext
from application.erase_user import EraseUser, erase_user
from application.platform import Saved
from application.queries import Moment
from application.service import Service
from domain.access_records import Reading
from domain.ids import uuid7
from domain.values import Reason, parse_reason
from infrastructure.database import migrated_database, require_data
from infrastructure.logins import Login
from infrastructure.service import open_commands, open_service
from infrastructure.settings import Settings, settings_from

app = App(name="users", help="Look at users, as they are or as they were, and erase them.")
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
    with migrated_database(settings, Login.API) as conninfo:
        state = asyncio.run(_state(settings, conninfo, user, moment, purpose))
    if json:
        write_json(state)
    else:
        write_table(("", ""), _lines(state))


@app.command
def erase(
    user: str, /, *, reason: str, yes: Annotated[bool, Parameter(negative=())] = False, json: bool = False
) -> None:
    """Erase a user: nothing personal about them can be read again, anywhere, by anybody.

    The log stays as it is, and their addresses become free. It cannot be undone.

    Parameters
    ----------
    user
        The user's id, or the email address that they hold now.
    reason
        Why, for the record; it stays readable. Name the case, and nobody.
    yes
        That it is meant; without it, nothing is done.
    json
        Write JSON.

    """
    stated = parse_reason(reason)
    if not yes:
        raise Failure("Erasing cannot be undone. Say --yes if you mean it.", "not_confirmed")
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.API) as conninfo:
        saved = asyncio.run(_erase(settings, conninfo, user, stated))
    if json:
        write_json({"userId": saved.aggregate_id, "version": saved.version, "position": saved.position})
    else:
        say(f"{saved.aggregate_id} is erased, at position {shown(saved.position)}.")


@app.command
def erasure(user: UUID, /, *, json: bool = False) -> None:
    """Show the receipt of an erasure: who had it done, when and why, and the proof that it is in the log.

    Parameters
    ----------
    user
        The user's id.
    json
        Write JSON.

    """
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.API) as conninfo:
        receipt = asyncio.run(_receipt(settings, conninfo, user))
    if json:
        write_json(receipt)
    else:
        write_table(("", ""), _receipt_lines(receipt))


async def _erase(settings: Settings, conninfo: str, user: str, reason: Reason) -> Saved:
    user_id = await find_user(settings, conninfo, user)
    metadata = Metadata(command_id=uuid7(), actor=operator(), reason=reason)
    async with open_commands(settings, conninfo) as commands:
        return await commands.run(erase_user, EraseUser(user_id=user_id), CommandContext(metadata=metadata))


async def _receipt(settings: Settings, conninfo: str, user_id: UUID) -> ErasureView:
    async with open_service(settings, conninfo) as service:
        found = await erasure_view(service, user_id)
    if found is None:
        raise NotFound("No user with this id was erased.")
    return found


def _receipt_lines(receipt: ErasureView) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(ErasureView):
        if field.name not in {"checkpoint", "proof"}:
            yield field.encode_name, getattr(receipt, field.name)
    if receipt.proof is None:
        yield "proof", "not sealed yet"
    else:
        yield "proof", f"part of the signed log of {shown(receipt.proof.size)} events: `reprise audit prove` shows how"


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
