"""Parts of the running system, for tests that need them for a while."""

import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from application.actors import Actor, Metadata, Role
from application.commands import CommandContext, CommandKey
from application.read_models import READ_MODELS
from application.users.register_user import RegisterUser, register_user
from infrastructure.composition import open_service
from infrastructure.log.reader import Connection
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.projections.follow.following import follow_batch
from infrastructure.projections.generations import ensure_live
from infrastructure.settings import Settings, settings_from
from infrastructure.workers.duties import Duty
from infrastructure.workers.worker import run_worker

SERVICE = Actor(role=Role.SERVICE, id="web", client="checkout")


def settings_in(home: Path, **variables: str) -> Settings:
    """Settings as a process with this home would have them."""
    return settings_from({"REPRISE_HOME": str(home), **variables})


def context(key: CommandKey | None = None, expected_version: int | None = None) -> CommandContext:
    """A command's context, with an id of its own."""
    metadata = Metadata(command_id=uuid.uuid4(), actor=SERVICE)
    return CommandContext(metadata=metadata, key=key, expected_version=expected_version)


def registration(name: str, **facts: Any) -> RegisterUser:
    """The facts of somebody whose address begins with a name."""
    return RegisterUser(**{"email": f"{name}@example.com", "display_name": name, "country": "SE", **facts})


async def registered(conninfo: str, home: Path, name: str = "somebody") -> int:
    """The position of somebody whom no read model knows yet."""
    async with open_service(settings_in(home), conninfo) as service:
        return (await service.commands.run(register_user, registration(name), context())).position


@contextmanager
def projector(conninfo: str) -> Iterator[Connection]:
    """A connection with the rights of a projection worker."""
    with psycopg.connect(as_projector(embedded_as(Login.WORKER, conninfo)), autocommit=True) as connection:
        yield connection


def follow_to_head(conninfo: str) -> None:
    """Fold every event there is into every read model."""
    with projector(conninfo) as connection:
        for model in READ_MODELS.values():
            live = ensure_live(connection, model)
            progress = follow_batch(connection, model, live.generation)
            while progress is None or not progress.is_at_head:
                progress = follow_batch(connection, model, live.generation)


@contextmanager
def worker(settings: Settings, conninfo: str, duties: Collection[Duty] = tuple(Duty)) -> Iterator[None]:
    """A projection worker at work."""
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=(settings, embedded_as(Login.WORKER, conninfo), stop, duties))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
