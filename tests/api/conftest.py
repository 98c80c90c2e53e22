"""The API for tests: one that they share, and, for those that need a log of their own, another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api, Caller, serving
from tests.support.running import settings_in, worker


@pytest.fixture(scope="package")
def api(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The running API, with a projection worker behind it."""
    settings = settings_in(tmp_path_factory.mktemp("api"), REPRISE_WAIT_SECONDS="20")
    with worker(settings, shared_database), serving(settings, shared_database) as running:
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
