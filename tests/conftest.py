"""A PostgreSQL server for each process of the run, and a database of its own for each test that asks for one."""

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infrastructure.composition import open_service
from infrastructure.embedded_postgres import EmbeddedPostgres, embedded_postgres
from infrastructure.encryption import keychain
from infrastructure.postgres.database import embedded_as, migrate_embedded
from infrastructure.postgres.logins import Login
from infrastructure.postgres.schema import migrate
from tests.support.read_models import make_history
from tests.support.running import settings_in

collect_ignore = ["support/badges"]
"""An area whose tests run in a copy of the program that has it (tests/test_new_area.py)."""
TEMPLATE, PAST = "reprise_template", "reprise_past"
MEMORY = "/dev/shm"  # noqa: S108 - pytest makes folders of its own there, for this user only
ROOM = 4 << 30
"""Octets that a run may need for the databases of its tests."""
# Deadlines measure the machine, not the code; the same examples every time make a failure mean something.
settings.register_profile("reprise", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", settings.get_profile("reprise"), derandomize=False)
settings.load_profile("reprise")


class Past(NamedTuple):
    """A database with a history, and the home with the keys to read it."""

    database: str
    home: Path


def _keep_files_in_memory() -> None:
    """Have pytest make its folders in memory if there is room: each test's database is hundreds of files."""
    with suppress(OSError):
        there = os.statvfs(MEMORY)
        if there.f_bavail * there.f_frsize > ROOM and not there.f_flag & os.ST_NOEXEC and os.access(MEMORY, os.W_OK):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


def _listen_to_interrupts() -> None:
    """Shells have what runs in the background ignore SIGINT, and so would everything that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_keep_files_in_memory()
_listen_to_interrupts()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One test process more than there are processors that may be used: some test is always waiting for a process."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, whatever the order of the others: nobody should have to wait for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def _keys_end_with_the_test() -> Iterator[None]:
    """What a test lets this process unseal, others must not: the key's file goes with the test's folder."""
    granted, held = keychain._granted.copy(), keychain._held.copy()
    yield
    keychain._granted[:] = granted
    keychain._held.clear()
    keychain._held.update(held)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server for this process only; it need not survive a power cut."""
    options = {
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": "300",
        "shared_buffers": "256MB",
        "max_wal_size": "256MB",
        "min_wal_size": "64MB",
    }
    with embedded_postgres(tmp_path_factory.mktemp("postgres"), options=options) as running:
        yield running


@pytest.fixture(scope="session")
def template(server: EmbeddedPostgres) -> str:
    """A migrated, empty database to make others from."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate_embedded(server.conninfo(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """How to connect to a fresh, migrated, empty database, as its owner."""
    with _migrated_database(server, template) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def shared_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A migrated database for tests that do not mind what others have left in it."""
    with _migrated_database(server, template) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def fuzzed_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A migrated database for whatever a fuzzer makes up, such as people of any country and name."""
    with _migrated_database(server, template) as conninfo:
        yield conninfo


@pytest.fixture
def empty_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """How to connect to a fresh database with nothing in it, as its owner; the server has the logins."""
    with _fresh_database(server, "template1") as conninfo:
        yield conninfo


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home for keys and mails."""
    return tmp_path / "home"


@pytest.fixture(scope="session")
def past(server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A database with some hundred events and no read models yet, and its home, to make others from."""
    made = Past(PAST, tmp_path_factory.mktemp("past") / "home")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(PAST), sql.Identifier(template))
        )
    conninfo = server.conninfo(PAST)
    migrate(conninfo)

    async def fill() -> None:
        async with open_service(settings_in(made.home), embedded_as(Login.API, conninfo)) as service:
            await make_history(service, 60)

    asyncio.run(fill())
    return made


@pytest.fixture
def history(server: EmbeddedPostgres, past: Past, home: Path) -> Iterator[str]:
    """How to connect to a fresh database with some hundred events and no read models yet, as its owner."""
    shutil.copytree(past.home, home)
    keychain.grant(settings_in(home))
    with _migrated_database(server, past.database) as conninfo:
        yield conninfo


@contextmanager
def _migrated_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """What `migrate` would do to a copy, in a session that is open already: who may make tables is not copied."""
    with _fresh_database(server, template, "REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC") as conninfo:
        yield conninfo


@contextmanager
def _fresh_database(server: EmbeddedPostgres, template: str, *statements: LiteralString) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            for statement in statements:
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
            yield make_conninfo(server.conninfo(name), connect_timeout="30")
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"%{name}",)):
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
