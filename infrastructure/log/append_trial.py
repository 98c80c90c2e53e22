"""Tells whether the log can be appended to, without leaving anything in it."""

from datetime import UTC, datetime

import psycopg

from application.actors import Actor, Metadata, Role
from application.queries import LogFault
from domain.access_records.access_record import AccessRecord
from domain.ids import uuid7
from infrastructure.log.append import Commit, append
from infrastructure.postgres.connections import connect
from infrastructure.postgres.unavailability import is_unavailable

_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"


async def fault_of_log(conninfo: str, *, thoroughly: bool) -> LogFault | None:
    """Why a new session could not append; None if it could.

    To find out `thoroughly`, it appends and takes that back: a full disk shows in nothing else. Raises the driver's
    error if the database cannot be reached.
    """
    async with await connect(conninfo) as connection:
        row = await (await connection.execute(_IS_READ_ONLY)).fetchone()
        if row and row[0]:
            return LogFault.READ_ONLY
        if thoroughly:
            try:
                async with connection.transaction(force_rollback=True):
                    await append(connection, [_trial()])
            except psycopg.Error as error:
                if not is_unavailable(error):
                    raise
                return LogFault.APPENDS_FAIL
    return None


def _trial() -> Commit:
    record = AccessRecord.blank(uuid7())
    record.readings_lost(1, datetime.now(UTC))
    metadata = Metadata(command_id=uuid7(), actor=Actor(Role.SYSTEM, "trial"))
    return Commit(metadata=metadata, events=record.collect_events())
