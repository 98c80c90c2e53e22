"""The API for tests: one that they share, and, for those that need a log of their own, another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api, Caller, serving
from tests.support.processes import serving_process, worker_process
from tests.support.running import settings_in


@pytest.fixture(scope="session")
def api(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The running API, with a projection worker behind it; one for the whole run, as its database knows its keys."""
    settings = settings_in(tmp_path_factory.mktemp("api"))
    with (
        worker_process(settings, shared_database),
        serving_process(settings, shared_database, REPRISE_WAIT_SECONDS="20") as running,
    ):
        yield running


@pytest.fixture
def own_api(database: str, home: Path) -> Iterator[Api]:
    """A running API on an empty log, without a projection worker; it does not wait long."""
    settings = settings_in(home, REPRISE_WAIT_SECONDS="0.2")
    with serving(settings, database) as running:
        yield running


@pytest.fixture
def admin(api: Api) -> Caller:
    """A caller who may do everything."""
    return api.admin
