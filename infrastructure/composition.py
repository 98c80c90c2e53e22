"""Puts the parts of one process together and takes them apart again, in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg_pool import AsyncConnectionPool

from application.ports import Service
from application.users.emails.email_tokens import EmailTokens
from application.users.mailed_links import MailedLinks
from infrastructure.access_records.queries import AccessLogQueries
from infrastructure.access_records.recorder import AccessRecorder
from infrastructure.area_ports import area_ports, stand_ins
from infrastructure.commands.aggregates import Aggregates
from infrastructure.commands.idempotency_keys import AnsweredCommands, KeyedCommandKeys
from infrastructure.commands.runner import CommandRunner
from infrastructure.encryption.eviction import Forgetting
from infrastructure.encryption.opening import opened_keys
from infrastructure.history.timeline import TimelineQueries
from infrastructure.log.group_commit import GroupCommit
from infrastructure.log.notifications import WakeUpSender
from infrastructure.log.stream_loader import StreamLoader
from infrastructure.operations.mails import MailQueries
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.privacy.data_exports import DataExportQueries
from infrastructure.privacy.erasures import ErasureQueries
from infrastructure.proof.queries import ProofQueries
from infrastructure.queries.cursors import Cursors
from infrastructure.queries.read_model import Lists, Pool
from infrastructure.secrets.keyring import Keyring, load_keyring
from infrastructure.settings import Settings
from infrastructure.statistics.queries import StatisticsQueries
from infrastructure.users.claims.claim_ids import claim_ids
from infrastructure.users.claims.key_in_force import require_claims_key
from infrastructure.users.directory import DirectoryQueries
from infrastructure.users.holders import Holders
from infrastructure.users.queries import UserQueries

READING_CONNECTIONS = 8
"""For commands, and for reads that come from the log itself."""
LISTING_CONNECTIONS = 4
"""Connections for read models, so that nothing else queues behind long lists."""


class LogQueries:
    """The log as a whole, as ports see it."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], commits: GroupCommit) -> None:
        self._pool = pool
        self.fault = commits.fault

    async def head(self) -> int:
        """The last position that was given out."""
        return await self._number('SELECT "position" FROM log.tip')

    async def head_octets(self) -> int:
        """The size of the table that says where the log ends: all versions of its one row."""
        return await self._number("SELECT pg_relation_size('log.head')")

    async def _number(self, query: LiteralString) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(query, prepare=True)).fetchone()
        return row[0] if row else 0


@asynccontextmanager
async def open_service(settings: Settings, conninfo: str) -> AsyncIterator[Service]:
    """The service of one process on a migrated database; commands in progress are finished before it closes."""
    keyring = load_keyring(settings.keys, production=settings.production)
    cursors = Cursors(keyring.derive("cursors"))
    async with (
        _writing(settings, keyring, conninfo) as (pool, commands),
        reading_pool(in_role(conninfo, APP_ROLE), LISTING_CONNECTIONS) as listing_pool,
    ):
        keys, aggregates = commands.keys, commands.aggregates
        users = UserQueries(pool, aggregates, keys)
        lists = Lists(listing_pool, settings.wait_seconds)
        log = LogQueries(pool, commands.commits)
        async with Forgetting(pool, keys, aggregates.cache), AccessRecorder(commands.commits) as accesses:
            yield Service(
                commands=commands,
                command_keys=KeyedCommandKeys(keyring.derive("commands")),
                users=users,
                directory=DirectoryQueries(lists, cursors, Holders(aggregates, claim_ids(keyring)), log),
                timeline=TimelineQueries(lists, keys, cursors),
                statistics=StatisticsQueries(lists),
                erasures=ErasureQueries(pool, keys),
                projections=ProjectionQueries(pool),
                proofs=ProofQueries(pool),
                mails=MailQueries(pool),
                mailed_links=MailedLinks(users, commands.using(EmailTokens)),
                log=log,
                accesses=accesses,
                access_log=AccessLogQueries(lists, cursors),
                exports=DataExportQueries(pool, keyring.derive("export links")),
            )


@asynccontextmanager
async def open_commands(settings: Settings, conninfo: str) -> AsyncIterator[CommandRunner]:
    """The write side alone, for a process that has some commands to carry out."""
    async with _writing(settings, load_keyring(settings.keys, production=settings.production), conninfo) as (
        _,
        commands,
    ):
        yield commands


@asynccontextmanager
async def _writing(settings: Settings, keyring: Keyring, conninfo: str) -> AsyncIterator[tuple[Pool, CommandRunner]]:
    conninfo = in_role(conninfo, APP_ROLE)
    async with (
        reading_pool(conninfo, READING_CONNECTIONS) as pool,
        WakeUpSender(conninfo) as wake_ups,
        GroupCommit(conninfo, wake_ups.hint) as commits,
    ):
        keys = await opened_keys(settings, pool)
        await require_claims_key(pool, keyring)
        yield (
            pool,
            CommandRunner(
                Aggregates(StreamLoader(pool, keys), stand_ins=stand_ins(pool)),
                commits,
                AnsweredCommands(pool),
                keys,
                area_ports(settings, keyring, pool),
            ),
        )
