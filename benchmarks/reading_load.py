"""Loads of queries: users by id, pages of the directory, and a route that answers without looking."""

import random
from collections.abc import Sequence
from uuid import UUID

from application.actors import Role
from application.queries import PageRequest
from application.users.queries import DirectoryFilter
from benchmarks.laboratory import Laboratory, Town
from benchmarks.load_generator import SUBJECT, LoadResult, Step, Subject
from benchmarks.population import COUNTRIES
from benchmarks.processes import Api
from infrastructure.queries.cursors import Cursors
from infrastructure.queries.pages import Pages
from infrastructure.secrets.keyring import load_keyring

CONNECTIONS = 64
READERS = 8
"""Connections that ask for pages: with many more, an answer's time would be that of those before it."""
MOST_SUBJECTS = 200_000
PAGES = 5_000
PAGE_SIZE = 50


def read_users(lab: Laboratory, api: Api, users: Sequence[UUID]) -> LoadResult:
    """Read users by their id, one after the other."""
    return _read(lab, api, f"/v1/users/{SUBJECT}", [Subject(str(user)) for user in users], CONNECTIONS)


def read_nothing(lab: Laboratory, api: Api, connections: int = CONNECTIONS) -> LoadResult:
    """Ask the route that does nothing."""
    return _read(lab, api, "/v1/no-op", [Subject("-")] * connections, connections)


def read_pages(lab: Laboratory, api: Api, town: Town) -> LoadResult:
    """Read pages of the directory: of one country each, from somewhere in the middle on."""
    return _read(lab, api, SUBJECT, _pages(lab, town), READERS)


def some_users(town: Town, count: int = MOST_SUBJECTS) -> list[UUID]:
    """Users drawn from the whole population, each once."""
    everybody = town.population.users
    return [town.population.user_id(number) for number in random.sample(range(everybody), min(count, everybody))]


def _read(lab: Laboratory, api: Api, path: str, subjects: Sequence[Subject], connections: int) -> LoadResult:
    headers = [("Authorization", f"Bearer {lab.token(Role.SERVICE)}"), ("Accept", "application/json")]
    step = Step(name="read", status=200, method="GET", path=path, headers=headers, next_subject=True)
    return lab.generator.run(
        api.port,
        [step],
        subjects,
        connections=connections,
        warm_up_seconds=lab.scale.warm_up_seconds,
        seconds=lab.scale.seconds,
        requests=lab.scale.requests,
    )


def _pages(lab: Laboratory, town: Town) -> list[Subject]:
    cursors = Pages(Cursors(load_keyring(lab.settings.keys).derive("cursors")), "directory")
    return [
        Subject(f"/v1/users?country={country}&limit={PAGE_SIZE}&cursor={_cursor(cursors, country, user)}")
        for user in some_users(town, PAGES)
        for country in [random.choice(COUNTRIES)]
    ]


def _cursor(cursors: Pages, country: str, after: UUID) -> str | None:
    """The cursor that a page of this country has when it ends with this user."""
    found = [after, after]
    page = cursors.page(DirectoryFilter(country=country), PageRequest(limit=1), found, 0, lambda user: user.bytes)
    return page.next_cursor
