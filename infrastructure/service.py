"""Puts the parts of one process together and takes them apart again, in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from application.service import Service
from infrastructure.access_recorder import AccessRecorder
from infrastructure.aggregates import Aggregates
from infrastructure.command_keys import AnsweredCommands, KeyedCommandKeys
from infrastructure.connections import APP_ROLE, in_role, reading_pool
from infrastructure.group_commit import GroupCommit
from infrastructure.keyring import ClaimIds, Cursors, MailedTokens, load_keyring
from infrastructure.platform import CommandPlatform
from infrastructure.queries.access_log import AccessLogQueries
from infrastructure.queries.data_exports import DataExportQueries
from infrastructure.queries.directory import DirectoryQueries
from infrastructure.queries.mails import MailQueries
from infrastructure.queries.projections import ProjectionQueries
from infrastructure.queries.proofs import ProofQueries
from infrastructure.queries.statistics import StatisticsQueries
from infrastructure.queries.timeline import TimelineQueries
from infrastructure.queries.users import UserQueries
from infrastructure.settings import Settings
from infrastructure.streams import StreamLoader
from infrastructure.wake_ups import WakeUpSender

READING_CONNECTIONS = 8


class LogQueries:
    """The log as a whole, as ports see it."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool

    async def head(self) -> int:
        """The last position that was given out."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute('SELECT "position" FROM log.head', prepare=True)
            row = await cursor.fetchone()
        return row[0] if row else 0


@asynccontextmanager
async def open_service(settings: Settings, conninfo: str) -> AsyncIterator[Service]:
    """The service of one process on a migrated database; commands under way are finished before it closes."""
    keyring = load_keyring(settings.keys)
    conninfo = in_role(conninfo, APP_ROLE)
    cursors = Cursors(keyring.derive("cursors"))
    async with (
        reading_pool(conninfo, READING_CONNECTIONS) as pool,
        WakeUpSender(conninfo) as wake_ups,
        GroupCommit(conninfo, wake_ups.hint) as commits,
        AccessRecorder(commits) as accesses,
    ):
        aggregates = Aggregates(StreamLoader(pool))
        yield Service(
            commands=CommandPlatform(
                aggregates,
                commits,
                AnsweredCommands(pool),
                ClaimIds(keyring.claims),
                MailedTokens(keyring.derive("mailed tokens")),
                settings.policy,
            ),
            command_keys=KeyedCommandKeys(keyring.derive("commands")),
            users=UserQueries(pool, aggregates),
            directory=DirectoryQueries(pool, cursors, settings.wait_seconds),
            timeline=TimelineQueries(pool, cursors, settings.wait_seconds),
            statistics=StatisticsQueries(pool, settings.wait_seconds),
            projections=ProjectionQueries(pool),
            proofs=ProofQueries(pool),
            mails=MailQueries(pool),
            log=LogQueries(pool),
            accesses=accesses,
            access_log=AccessLogQueries(pool, cursors, settings.wait_seconds),
            exports=DataExportQueries(pool, keyring.derive("export links")),
        )
