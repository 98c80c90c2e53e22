"""As many open files as connections need."""

import resource
from collections.abc import Iterator

import pytest

from api.connections.descriptors import TooFewDescriptorsError, allow_connections
from api.connections.limits import Limits
from api.main import serve
from infrastructure.settings import SettingInvalidError, settings_from


@pytest.fixture
def allowed() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_raises_its_own_limit(allowed: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, allowed[1]))

    allow_connections(Limits(connections=1_000))

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1_000 + 100 + 256, allowed[1])


def test_a_limit_that_is_high_enough_stays_as_it_is(allowed: tuple[int, int]) -> None:
    allow_connections(Limits(connections=10))

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == allowed


def test_more_connections_than_the_system_lets_a_process_have_are_refused(allowed: tuple[int, int]) -> None:
    if allowed[1] == resource.RLIM_INFINITY or allowed[1] > 90_000:
        pytest.skip("this system lets a process have any number")
    with pytest.raises(TooFewDescriptorsError):
        allow_connections(Limits(connections=100_000))

    with pytest.raises(SettingInvalidError, match="REPRISE_MAX_CONNECTIONS needs 100356 open files"):
        serve(settings_from({"REPRISE_MAX_CONNECTIONS": "100000"}), "")
