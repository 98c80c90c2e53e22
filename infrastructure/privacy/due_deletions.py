"""Erases people who requested deletion and whose grace period has ended.

Candidates are looked up in a read model, but the log decides. So it does not matter if the model is a little behind, if
several workers look at once, or if one dies: nobody is erased too early or twice.
"""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from psycopg import sql

from application.actors import Actor, Metadata, Role
from application.commands import CommandContext
from application.privacy.deletion_schedule import DELETION_SCHEDULE
from application.privacy.erase_user import EraseUser, erase_due_user
from application.unreadable import HistoryUnreadableError
from domain.ids import uuid7
from infrastructure.commands.runner import OpenCommands
from infrastructure.log.reader import Connection
from infrastructure.projections.columns import SCHEMA, table_name
from infrastructure.projections.generations import live_generation
from infrastructure.settings import Settings

EVERY_SECONDS = 1.0
AT_ONCE = 100
ACTOR = Actor(role=Role.SYSTEM, id="worker")
REASON = "The grace period is over."

UNREADABLE_SECONDS = 600.0
"""After this time it is tried again with those whose history could not be read; meanwhile they are in nobody's way."""

_DUE = """
SELECT user_id FROM {table} WHERE erase_after <= clock_timestamp() AND user_id <> ALL (%s)
ORDER BY erase_after, user_id LIMIT %s
"""

log = structlog.get_logger(__name__)


class DueDeletions:
    """The work of a thread: erases who is due."""

    def __init__(self, settings: Settings, conninfo: str, open_commands: OpenCommands) -> None:
        self._settings = settings
        self._conninfo = conninfo
        self._open_commands = open_commands
        self._next = 0.0
        self._set_aside: dict[UUID, float] = {}
        """Who cannot be erased for now, and until when."""

    def erase_due(self, connection: Connection) -> bool:
        """Erase the next people who are due; true if there may be more."""
        if time.monotonic() < self._next:
            return False
        self._set_aside = {user: until for user, until in self._set_aside.items() if until > time.monotonic()}
        due = due_users(connection, but=list(self._set_aside))
        if due:
            asyncio.run(self._erase(due))
        if len(due) < AT_ONCE:
            self._next = time.monotonic() + EVERY_SECONDS
        return len(due) == AT_ONCE

    async def _erase(self, users: Sequence[UUID]) -> None:
        async with self._open_commands(self._settings, self._conninfo) as commands:
            runs = [commands.run(erase_due_user, EraseUser(user_id=user_id), _context()) for user_id in users]
            outcomes = await asyncio.gather(*runs, return_exceptions=True)
        for user_id, outcome in zip(users, outcomes, strict=True):
            if isinstance(outcome, HistoryUnreadableError):
                # What cannot be read may say that they changed their mind: somebody has to decide.
                self._set_aside[user_id] = time.monotonic() + UNREADABLE_SECONDS
                log.error("erasure.unreadable", user=str(user_id), version=outcome.version, error=outcome.kind)
            elif isinstance(outcome, BaseException):
                log.error("erasure.failed", user=str(user_id), error=type(outcome).__name__)
            else:
                log.info("erasure.due", user=str(user_id), position=outcome.position)


def due_users(connection: Connection, at_most: int | None = None, but: Sequence[UUID] = ()) -> list[UUID]:
    """Who is to be erased by now, as far as the read model knows, but some; the longest due first."""
    live = live_generation(connection, DELETION_SCHEDULE.name)
    if live is None:
        return []
    table = sql.Identifier(SCHEMA, table_name(live.name, live.generation))
    rows = connection.execute(sql.SQL(_DUE).format(table=table), (list(but), at_most or AT_ONCE)).fetchall()
    return [user_id for (user_id,) in rows]


def _context() -> CommandContext:
    return CommandContext(metadata=Metadata(command_id=uuid7(), actor=ACTOR, reason=REASON))
