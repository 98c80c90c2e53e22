"""Erases people again whom a restored backup has brought back, according to the receipts of their erasures.

`reprise restore` does it immediately. So does every start of the service, before anybody is served, in case the
database was restored by other means.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import psycopg
import structlog

from application.actors import Actor, Metadata, Role
from application.commands import CommandContext
from application.privacy.erase_user import EraseUser, erase_user
from domain.ids import uuid7
from infrastructure.commands.runner import CommandRunner, OpenCommands
from infrastructure.postgres.connections import as_app
from infrastructure.privacy.erasure_receipts import StoredReceipt, came_back, read_receipts, receipts_path
from infrastructure.settings import Settings

ACTOR = Actor(role=Role.SYSTEM, id="restore")
REASON = "Erased before; a restored backup had brought the account back."
AT_ONCE = 1_000

log = structlog.get_logger(__name__)


def bring_nobody_back(settings: Settings, conninfo: str, open_commands: OpenCommands) -> None:
    """Erase again everybody who was erased by the receipts in this home, and is in the log without that."""
    people = erase_again(settings, conninfo, open_commands, read_receipts(receipts_path(settings.home)))
    if people:
        log.warning("restore.erased_again", people=people)


def erase_again(
    settings: Settings, conninfo: str, open_commands: OpenCommands, receipts: Sequence[StoredReceipt]
) -> int:
    """Erase whom these receipts are about, unless the log knows it; how many were erased."""
    people = _who_came_back(conninfo, receipts)
    if people:
        asyncio.run(_erase(open_commands(settings, conninfo), people))
    return len(people)


def _who_came_back(conninfo: str, receipts: Sequence[StoredReceipt]) -> list[UUID]:
    if not receipts:
        return []
    with psycopg.connect(as_app(conninfo), autocommit=True) as connection:
        pieces = (receipts[first : first + AT_ONCE] for first in range(0, len(receipts), AT_ONCE))
        return [user_id for piece in pieces for user_id in came_back(connection, piece)]


async def _erase(opening: AbstractAsyncContextManager[CommandRunner], people: Sequence[UUID]) -> None:
    async with opening as commands:
        for user_id in people:
            metadata = Metadata(command_id=uuid7(), actor=ACTOR, reason=REASON)
            await commands.run(erase_user, EraseUser(user_id=user_id), CommandContext(metadata=metadata))
