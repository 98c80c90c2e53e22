"""What all measurements share: the database server, logs that are full already, keys and tokens, the load generator."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from psycopg import sql

from application.actors import Role
from application.read_models import READ_MODELS
from application.users.directory import USER_DIRECTORY
from benchmarks.filling import fill
from benchmarks.load_generator import LoadGenerator, Subject, compiled
from benchmarks.population import LENGTH, Population
from benchmarks.processes import Api, Program, running_api, running_worker
from benchmarks.rebuild_process import rebuild
from benchmarks.scale import Scale
from infrastructure.embedded_postgres import EmbeddedPostgres, embedded_postgres
from infrastructure.encryption.keychain import grant, key_encryption_key
from infrastructure.postgres.connections import APP_ROLE
from infrastructure.postgres.database import embedded_as, migrate_embedded
from infrastructure.postgres.logins import Login
from infrastructure.secrets.keyring import load_keyring
from infrastructure.settings import Settings, settings_from
from infrastructure.tokens.issuer import TokenIssuer
from infrastructure.users.claims.claim_ids import ClaimIds

TOKEN_LIFETIME = timedelta(hours=3)
SETTLE_SECONDS = 120.0
LOOK_SECONDS = 0.05
CLIENT = "benchmark"
WAL_FILES = 60
"""Of 16 MB each: what `min_wal_size` keeps."""


class NotFollowedError(Exception):
    """The read models did not come to the end of the log in time."""


class Town(msgspec.Struct, frozen=True):
    """A database whose log was filled with a population."""

    name: str
    conninfo: str
    population: Population

    @property
    def events(self) -> int:
        """How many events its log has now, but for the records of who has read what."""
        return self._count("SELECT count(*) FROM log.event WHERE topic NOT LIKE 'access_record.%'")

    @property
    def commands(self) -> int:
        """How many idempotency keys its log has now."""
        return self._count("SELECT count(*) FROM log.command")

    @property
    def head(self) -> int:
        """The last position of its log."""
        return self._count('SELECT "position" FROM log.head')

    def _count(self, query: LiteralString) -> int:
        with psycopg.connect(self.conninfo) as connection:
            row = connection.execute(query).fetchone()
        return row[0] if row else 0

    def subjects(self, count: int, part: int = 0, parts: int = 1) -> list[Subject]:
        """Users that live here, with the versions that they have now; only those of one part, if there are several."""
        ids = [self.population.user_id(number) for number in range(part, min(count, self.population.users), parts)]
        with psycopg.connect(self.conninfo) as connection:
            rows = connection.execute(
                "SELECT stream_id, max(version) FROM log.event WHERE stream_id = ANY (%s) GROUP BY stream_id", (ids,)
            ).fetchall()
        return [Subject(str(stream_id), version) for stream_id, version in rows]


class Laboratory:
    """One run's server and what is on it."""

    def __init__(self, scale: Scale, server: EmbeddedPostgres, folder: Path, say: Callable[[str], None]) -> None:
        self.scale = scale
        self.server = server
        self.folder = folder
        self.say = say
        self.settings: Settings = settings_from({"REPRISE_HOME": str(folder / "home")})
        self._issuer = TokenIssuer(self.settings)
        self._town = cache(self._filled_town)

    @cached_property
    def generator(self) -> LoadGenerator:
        """The load generator. Raises `ToolMissingError`."""
        return compiled(self.folder)

    def token(self, role: Role, subject: str = CLIENT) -> str:
        """An access token."""
        return self._issuer.issue(role, subject, TOKEN_LIFETIME, CLIENT)

    @contextmanager
    def api(self, town: Town, processes: int = 1) -> Iterator[Api]:
        """The API of a town, until the end of the context."""
        before = self._connections_of_apis()
        with running_api(self._environment(town), self.folder, processes) as api:
            # Each process has one from the beginning; whichever answers first is not all of them.
            while self._connections_of_apis() < before + processes:
                api.must_live()
                time.sleep(LOOK_SECONDS)
            yield api

    @contextmanager
    def worker(self, town: Town) -> Iterator[None]:
        """The projection worker of a town; when the context begins, it has nothing left to do."""
        with running_worker(self._environment(town), self.folder):
            wait_until_followed(town)
            yield

    @contextmanager
    def followers(self, town: Town) -> Iterator[Program]:
        """A worker that does nothing but keep the read models of a town; at first it has nothing left to do."""
        with running_worker(self._environment(town), self.folder, duties=("read-models",)) as worker:
            wait_until_followed(town)
            yield worker

    @contextmanager
    def sealer(self, town: Town) -> Iterator[Program]:
        """A worker that does nothing but seal the log of a town."""
        with running_worker(self._environment(town), self.folder, duties=("seal",)) as worker:
            yield worker

    def _environment(self, town: Town) -> dict[str, str]:
        return {
            "REPRISE_HOME": str(self.settings.home),
            "REPRISE_DATABASE_URL": embedded_as(Login.API, town.conninfo),
            "REPRISE_WORKER_DATABASE_URL": embedded_as(Login.WORKER, town.conninfo),
        }

    def _connections_of_apis(self) -> int:
        with psycopg.connect(self.server.conninfo("postgres")) as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            row = connection.execute(count, (APP_ROLE,)).fetchone()
        return row[0] if row else 0

    def residents(self) -> Town:
        """The log that commands are sent to; both read models are at its end."""
        return self._town("residents", self.scale.residents, tuple(READ_MODELS))

    def unfollowed(self) -> Town:
        """A log of as many users that nobody follows."""
        return self.filled("unfollowed", self.scale.residents)

    def forgetful(self) -> Town:
        """A log of as many users, some of whom are going to be erased; the read models are at its end."""
        return self._town("forgetful", self.scale.residents, tuple(READ_MODELS))

    def grown(self, users: int) -> Town:
        """The log of so many users, and the directory made from it."""
        return self._town(f"grown_{users}", users, (USER_DIRECTORY.name,))

    def followed(self, users: int) -> Town:
        """The log of so many users, with every read model at its end."""
        return self._town(f"followed_{users}", users, tuple(READ_MODELS))

    def filled(self, name: str, users: int) -> Town:
        """A log of so many users without any read model."""
        return self._town(name, users, ())

    def fresh_database(self, name: str) -> str:
        """A database with an empty log."""
        self.empty_database(name)
        conninfo = self.server.conninfo(name)
        migrate_embedded(conninfo)
        return conninfo

    def empty_database(self, name: str) -> None:
        """A database with nothing in it, whatever was there before."""
        with psycopg.connect(self.server.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def warm(self, town: Town) -> None:
        """Have the system hold a town in memory, as it does where a server has run for a while."""
        with psycopg.connect(town.conninfo, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            connection.execute(_READ_EVERYTHING)

    def checkpoint(self) -> None:
        """Have the server write what it has changed in memory, now."""
        with psycopg.connect(self.server.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def _filled_town(self, name: str, users: int, models: tuple[str, ...]) -> Town:
        self.say(f"filling a log with {users:,} users")
        claim_ids = ClaimIds(load_keyring(self.settings.keys).claims)
        begin = datetime.now(UTC) - timedelta(days=1) - LENGTH
        town = Town(name, self.fresh_database(name), Population(users, claim_ids, begin))
        grant(self.settings)
        fill(town.conninfo, town.population, key_encryption_key(self.settings))
        for model in models:
            rebuild(town.conninfo, model, self.settings.home)
        return town


@contextmanager
def laboratory(scale: Scale, say: Callable[[str], None]) -> Iterator[Laboratory]:
    """A laboratory with a server of its own, on the disk that holds the checkout; nothing is left of it afterwards."""
    place = Path(os.environ.get("REPRISE_HOME") or ".reprise").absolute()
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=place))
    try:
        # As they are by default: every commit is on the disk before it is acknowledged.
        with embedded_postgres(folder / "postgres") as server:
            _age(server)
            yield Laboratory(scale, server, folder, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _age(server: EmbeddedPostgres) -> None:
    """Have the server keep as many files of its write-ahead log for use again as one has that has run for a while."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        for _ in range(WAL_FILES):
            connection.execute("SELECT pg_logical_emit_message(false, 'benchmark', ''), pg_switch_wal()")
        connection.execute("CHECKPOINT")


def wait_until_followed(town: Town, models: tuple[str, ...] = tuple(READ_MODELS)) -> None:
    """Return when the read models are at the end of the log. Raises `NotFollowedError`."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with psycopg.connect(town.conninfo, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(_BEHIND, (list(models),)).fetchone()
            if row and row[0] == len(models):
                return
            time.sleep(LOOK_SECONDS)
    raise NotFollowedError(f"The read models were not at the end of the log within {SETTLE_SECONDS:.0f} s.")


_READ_EVERYTHING = """
SELECT pg_prewarm(c.oid, 'read') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'i') AND n.nspname IN ('log', 'keys', 'read_model', 'projection')
"""
_BEHIND = """
SELECT count(*) FILTER (WHERE g."position" >= h."position")
FROM log.head h
LEFT JOIN projection.standing g ON g.state = 'live' AND g.name = ANY (%s) GROUP BY h."position"
"""
