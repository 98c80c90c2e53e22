"""`reprise users erase` and `erasure`: erases a person for good, and shows the receipt."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cyclopts import Parameter

from api.cli.failures import Failure, NotFound
from api.cli.operators import operator
from api.cli.terminal import say, shown, write_json, write_table
from api.privacy.erasure_views import ErasureView, erasure_view
from api.users.cli.finding_users import find_user
from application.actors import Metadata
from application.commands import CommandContext
from application.privacy.erase_user import EraseUser, erase_user
from application.unit_of_work import Saved
from domain.ids import uuid7
from domain.values import Reason, parse_reason
from infrastructure.composition import open_commands, open_service
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.settings import Settings, settings_from


def erase(
    user: str, /, *, reason: str, yes: Annotated[bool, Parameter(negative=())] = False, json: bool = False
) -> None:
    """Erase a user for good: nobody can read their personal data any more.

    The log stays unchanged, and the user's email addresses become available. This cannot be undone.

    Parameters
    ----------
    user
        The user's id or current email address.
    reason
        Why, for the record. It stays readable: refer to the case and name nobody.
    yes
        Confirm the erasure. Without it, nothing is erased.
    json
        Write JSON.

    """
    stated = parse_reason(reason)
    if not yes:
        raise Failure("An erasure cannot be undone. Add --yes to confirm it.", "not_confirmed")
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.API) as conninfo:
        saved = asyncio.run(_erase(settings, conninfo, user, stated))
    if json:
        write_json({"userId": saved.aggregate_id, "version": saved.version, "position": saved.position})
    else:
        say(f"{saved.aggregate_id} was erased at position {shown(saved.position)}.")


def erasure(user: UUID, /, *, json: bool = False) -> None:
    """Show the receipt of an erasure: who requested it, when and why, and the proof that it is in the log.

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
        raise NotFound("No user with this id has been erased.")
    return found


def _receipt_lines(receipt: ErasureView) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(ErasureView):
        if field.name not in {"checkpoint", "proof"}:
            yield field.encode_name, getattr(receipt, field.name)
    if receipt.proof is None:
        yield "proof", "not sealed yet"
    else:
        yield "proof", f"part of the signed log of {shown(receipt.proof.size)} events: `reprise audit prove` shows how"
