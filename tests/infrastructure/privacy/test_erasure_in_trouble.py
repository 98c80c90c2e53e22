"""Erasures while people are projected, rebuilt and sealed, by processes that are killed: the end is the same."""

import asyncio
import os
import signal
import uuid
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg

from application.privacy.erase_user import EraseUser, erase_user
from application.users.directory import USER_DIRECTORY
from infrastructure.composition import open_service
from infrastructure.postgres.connections import as_projector, as_sealer
from infrastructure.projections.rebuild.rebuilding import rebuild
from infrastructure.proof.checkpointing import seal_to_head
from infrastructure.proof.signing_keys import CheckpointKeyFile
from infrastructure.proof.verification import verify_log
from tests.support.read_models import head_of, make_history, replayed_rows, rows_of
from tests.support.running import context, settings_in
from tests.support.waiting import eventually
from tests.support.workers_in_trouble import CONTEXT, kill, started

PEOPLE = int(os.environ.get("ERASURES", "36"))
ROUNDS = 4

_STATES = """
SELECT count(*) FILTER (WHERE gone AND key IS NULL AND receipt) AS erased,
       count(*) FILTER (WHERE NOT gone AND key IS NOT NULL AND NOT receipt) AS alive, count(*) AS people
FROM (
    SELECT EXISTS (SELECT FROM log.event e WHERE e.stream_id = r.stream_id AND e.topic = 'user.erased') AS gone,
           (SELECT k.wrapped FROM keys.subject_key k WHERE k.subject_id = r.stream_id) AS key,
           EXISTS (SELECT FROM keys.erasure x WHERE x.subject_id = r.stream_id) AS receipt
    FROM log.event r WHERE r.topic = 'user.registered'
) state
"""


def erase_them(home: Path, conninfo: str, people: list[uuid.UUID]) -> None:
    """Erase people one after the other, until all are, or the process is killed."""

    async def one_after_the_other() -> None:
        async with open_service(settings_in(home), conninfo) as service:
            for user_id in people:
                await service.commands.run(erase_user, EraseUser(user_id=user_id), context())

    asyncio.run(one_after_the_other())


def states(conninfo: str) -> tuple[int, int, int]:
    """How many are erased in every respect, how many in none, and how many people there are."""
    with psycopg.connect(conninfo) as owner:
        row: Any = owner.execute(_STATES).fetchone()
    return row[0], row[1], row[2]


def has_erased(conninfo: str, least: int) -> bool:
    return states(conninfo)[0] >= least


def test_erasures_by_processes_that_are_killed_are_whole_or_not_at_all(database: str, home: Path) -> None:
    async def fill() -> list[uuid.UUID]:
        async with open_service(settings_in(home), database) as service:
            return await make_history(service, PEOPLE)

    people = asyncio.run(fill())
    gone = people[::2]
    worker = started(home, database)
    for number in range(ROUNDS):
        eraser: BaseProcess = CONTEXT.Process(target=erase_them, args=(home, database, gone))
        eraser.start()
        wanted = (number + 1) * len(gone) // (ROUNDS + 1)
        eventually(partial(has_erased, database, wanted), "some to be erased")
        assert eraser.pid is not None
        os.kill(eraser.pid, signal.SIGKILL)
        kill(worker)
        worker = started(home, database)
        rebuild(as_projector(database), USER_DIRECTORY)
        erased, alive, everybody = states(database)
        assert erased + alive == everybody
        eraser.join()
    erase_them(home, database, gone)

    try:
        eventually(lambda: _swept(database) == len(gone), "all erasures to be swept up after")
        eventually(lambda: _followed(database), "the directory to be at the head")
    finally:
        kill(worker)
    assert states(database) == (len(gone), len(people) - len(gone), len(people))
    assert sorted(rows_of(database, USER_DIRECTORY)) == replayed_rows(database, USER_DIRECTORY)
    _check_log(database, home)


def _swept(conninfo: str) -> int:
    with psycopg.connect(conninfo) as owner:
        row = owner.execute("SELECT count(*) FROM keys.erasure WHERE swept_at IS NOT NULL").fetchone()
    return row[0] if row else 0


def _followed(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as owner:
        row = owner.execute(
            "SELECT \"position\" FROM projection.standing WHERE name = %s AND state = 'live'", (USER_DIRECTORY.name,)
        ).fetchone()
    return row is not None and row[0] == head_of(conninfo)


def _check_log(conninfo: str, home: Path) -> None:
    keys = CheckpointKeyFile(home / "keys").keys()
    with psycopg.connect(as_sealer(conninfo), autocommit=True) as sealer:
        seal_to_head(sealer, keys)
    assert verify_log(as_sealer(conninfo), keys.trusted).findings == []
