"""Puts the parts of one process together and takes them apart again, in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from application.access_records.recording import Accesses
from application.commands import CommandKeys
from application.ports import Service
from infrastructure.access_records.recorder import AccessRecorder
from infrastructure.area_ports import area_ports
from infrastructure.commands.aggregates import Aggregates
from infrastructure.commands.idempotency_keys import AnsweredCommands, KeyedCommandKeys
from infrastructure.commands.runner import CommandRunner
from infrastructure.encryption.eviction import Forgetting
from infrastructure.encryption.opening import opened_keys
from infrastructure.imports.dry_run import TrialCommands
from infrastructure.log.append_trial import fault_of_log
from infrastructure.log.group_commit import GroupCommit
from infrastructure.log.log_queries import FaultOfLog, LogQueries
from infrastructure.log.notifications import WakeUpSender
from infrastructure.log.stream_loader import StreamLoader
from infrastructure.parts import Parts
from infrastructure.postgres.connections import as_app, reading_pool
from infrastructure.queries.read_model import Lists, Pool
from infrastructure.secrets.keyring import Keyring, load_keyring
from infrastructure.settings import Settings
from infrastructure.users.claims.key_in_force import require_claims_key
from infrastructure.users.stand_ins import stand_ins

READING_CONNECTIONS = 8
"""For commands, and for reads that come from the log itself."""
LISTING_CONNECTIONS = 4
"""Connections for read models, so that nothing else queues behind long lists."""
TRIAL_CONNECTIONS = 4


@asynccontextmanager
async def open_service(settings: Settings, conninfo: str) -> AsyncIterator[Service]:
    """The service of one process on a migrated database; commands in progress are finished before it closes."""
    async with (
        reading_pool(as_app(conninfo), LISTING_CONNECTIONS) as listing_pool,
        _writing(settings, conninfo, listing_pool) as (parts, commands),
        Forgetting(parts.pool, parts.keys, parts.aggregates.cache),
        AccessRecorder(commands.commits) as accesses,
    ):
        yield Service(
            commands=commands,
            command_keys=KeyedCommandKeys(parts.keyring.derive("commands")),
            log=parts.log,
            ports={**commands.ports, Accesses: accesses},
        )


@asynccontextmanager
async def open_commands(settings: Settings, conninfo: str) -> AsyncIterator[CommandRunner]:
    """The write side alone, for a process that has some commands to carry out."""
    async with _writing(settings, conninfo) as (_, commands):
        yield commands


@asynccontextmanager
async def _writing(
    settings: Settings, conninfo: str, listing_pool: Pool | None = None
) -> AsyncIterator[tuple[Parts, CommandRunner]]:
    conninfo = as_app(conninfo)
    keyring = load_keyring(settings.keys, production=settings.production)
    async with (
        reading_pool(conninfo, READING_CONNECTIONS) as pool,
        WakeUpSender(conninfo) as wake_ups,
        GroupCommit(conninfo, wake_ups.hint) as commits,
    ):
        parts = await _parts(settings, keyring, pool, commits.fault, listing_pool)
        yield parts, CommandRunner(parts.aggregates, commits, AnsweredCommands(pool), parts.keys, area_ports(parts))


@asynccontextmanager
async def open_trial(settings: Settings, conninfo: str) -> AsyncIterator[tuple[TrialCommands, CommandKeys]]:
    """What an import needs, for trying it out."""
    keyring = load_keyring(settings.keys, production=settings.production)
    async with reading_pool(as_app(conninfo), TRIAL_CONNECTIONS) as pool:
        parts = await _parts(settings, keyring, pool, partial(fault_of_log, conninfo))
        commands = TrialCommands(parts.aggregates, AnsweredCommands(pool), area_ports(parts))
        yield commands, KeyedCommandKeys(keyring.derive("commands"))


async def _parts(
    settings: Settings, keyring: Keyring, pool: Pool, fault: FaultOfLog, listing_pool: Pool | None = None
) -> Parts:
    keys = await opened_keys(settings, pool)
    await require_claims_key(pool, keyring)
    return Parts(
        settings=settings,
        keyring=keyring,
        pool=pool,
        lists=Lists(listing_pool or pool, settings.wait_seconds),
        keys=keys,
        aggregates=Aggregates(StreamLoader(pool, keys), stand_ins=stand_ins(pool)),
        log=LogQueries(pool, fault),
    )
