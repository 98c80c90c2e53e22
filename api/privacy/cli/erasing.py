"""`reprise users erase` and `erasure`: erases a person for good, and shows the receipt."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cyclopts import Parameter

from api.cli.database import Database, open_database
from api.cli.failures import Failure, NotFound
from api.cli.operators import operator
from api.cli.terminal import Rows, answer, shown
from api.privacy.erasure_views import ErasureView, erasure_view
from api.users.cli.finding_users import find_user
from application.actors import Metadata
from application.commands import CommandContext
from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.unit_of_work import Saved
from domain.ids import uuid7
from domain.values import Reason, parse_reason
from infrastructure.composition import open_commands
from infrastructure.postgres.logins import Login


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
    with open_database(Login.API) as database:
        saved = asyncio.run(_erase(database, find_user(database, user), stated))
    answer(
        {"userId": saved.aggregate_id, "version": saved.version, "position": saved.position},
        f"{saved.aggregate_id} was erased at position {shown(saved.position)}.",
        json=json,
    )


def erasure(user: UUID, /, *, json: bool = False) -> None:
    """Show the receipt of an erasure: who requested it, when and why, and the proof that it is in the log.

    Parameters
    ----------
    user
        The user's id.
    json
        Write JSON.

    """

    async def receipt(service: Service) -> ErasureView | None:
        return await erasure_view(service, user)

    with open_database(Login.API) as database:
        found = database.with_service(receipt)
    if found is None:
        raise NotFound("No user with this id has been erased.")
    answer(found, Rows(("", ""), _receipt_lines(found)), json=json)


async def _erase(database: Database, user_id: UUID, reason: Reason) -> Saved:
    metadata = Metadata(command_id=uuid7(), actor=operator(), reason=reason)
    async with open_commands(database.settings, database.conninfo) as commands:
        return await commands.run(erase_user, EraseUser(user_id=user_id), CommandContext(metadata=metadata))


def _receipt_lines(receipt: ErasureView) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(ErasureView):
        if field.name not in {"checkpoint", "proof"}:
            yield field.encode_name, getattr(receipt, field.name)
    if receipt.proof is None:
        yield "proof", "not sealed yet"
    else:
        yield "proof", f"part of the signed log of {shown(receipt.proof.size)} events: `reprise audit prove` shows how"
