"""A PostgreSQL server for each process of the run, and a database of its own for each test that asks for one."""

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infrastructure.database import embedded_as, migrate_embedded
from infrastructure.embedded_postgres import EmbeddedPostgres, embedded_postgres
from infrastructure.logins import Login
from infrastructure.schema import migrate
from infrastructure.service import open_service
from tests.support.read_models import make_history
from tests.support.running import settings_in

TEMPLATE = "reprise_template"
# Deadlines measure the machine, not the code; the same examples every time make a failure mean something.
settings.register_profile("reprise", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", settings.get_profile("reprise"), derandomize=False)
settings.load_profile("reprise")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One test process for each processor that may be used; left to itself, the plugin counts physical cores."""
    return len(os.sched_getaffinity(0))


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


@pytest.fixture
def history(database: str, home: Path) -> str:
    """A database with some hundred events and no read models yet."""

    async def fill() -> None:
        async with open_service(settings_in(home), embedded_as(Login.API, database)) as service:
            await make_history(service, 60)

    asyncio.run(fill())
    return database


@contextmanager
def _migrated_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    with _fresh_database(server, template) as conninfo:
        migrate(conninfo)  # Who may make tables is not copied.
        yield conninfo


@contextmanager
def _fresh_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield make_conninfo(server.conninfo(name), connect_timeout="30")
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
