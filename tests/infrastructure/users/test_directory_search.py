"""A search of the directory finds the same as looking at everybody one by one, in the order of their ids."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from application.queries import PageRequest
from application.users.directory import USER_DIRECTORY, UserEntry, name_columns
from application.users.directory_search import fulfils
from application.users.queries import Directory, DirectoryFilter
from infrastructure.composition import open_service
from infrastructure.projections.tables import ModelTable
from infrastructure.users.name_search import WALKED
from tests.support.running import follow_to_head, projector, settings_in

COMMON = 2 * WALKED + 500
"""More people than a search walks past."""
T0 = datetime(2026, 1, 1, tzinfo=UTC)
RARE = (
    "Zoë Lovelace",
    "Ada King Lovelace",
    "Jean-Luc O'Brien de la Cruz",
    "O Brien",
    "OBRIEN",
    "李小龍",
    "İstanbul 100%",
    "back\\slash",
    "it's 'quoted' & (more) | !not:*",
    "under_score",
    "Mariana Maria",
)


def people() -> list[UserEntry]:
    """Many of one name, and at the end of them some of each other one, twice."""
    names = [f"Maria Nº{number}" for number in range(COMMON)] + [*RARE, *RARE]
    return [person(number, name) for number, name in enumerate(names)]


def person(number: int, name: str) -> UserEntry:
    address = f"p{number}.x@example.com"
    return UserEntry(
        user_id=UUID(int=number + 1),
        version=1,
        email=address,
        email_key=address,
        **name_columns(name),
        country=("SE", "NO")[number % 2],
        status="active" if number % 3 else "suspended",
        created_at=T0 + timedelta(minutes=number),
        updated_at=T0,
    )


@pytest.fixture
def filled(database: str) -> str:
    follow_to_head(database)
    with projector(database) as connection:
        ModelTable(USER_DIRECTORY, 1).copy(connection, people())
    return database


SEARCHES = (
    *("maria", "zoe", "ZOË", "lov", "lov ada", "ada lovelace", "king", "cruz", "la cruz", "brien", "o'brien", "obri"),
    *("jean-luc", "jeanluc", "luc jean", "李", "李小", "ist", "100%", "%", "%%", "_", "__", "under_", "back\\", "\\\\"),
    *("it's", "'quoted'", "quoted'", "&&", "(more)", "!not:*", "not:*", "a & b", "maria mariana", "maria no7", "no650"),
    *("p65", "p6500.", "p6500.x@exam", "P6500.X@EXAMPLE.COM", "nobody", "maria maria", "x y z", "e", "''"),
)
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"country": "NO"},
    {"status": "suspended"},
    {"created_after": T0 + timedelta(minutes=COMMON)},
    {"country": "SE", "status": "active", "created_after": T0 + timedelta(minutes=100)},
)


async def test_a_search_finds_the_same_as_looking_at_everybody(filled: str, home: Path) -> None:
    everybody = people()

    async with open_service(settings_in(home), filled) as service:
        for q in SEARCHES:
            found_by_q = [entry for entry in everybody if fulfils(entry, DirectoryFilter(q=q))]
            for others in FILTERS:
                wanted = DirectoryFilter(q=q, **others)
                expected = [entry.user_id for entry in found_by_q if fulfils(entry, DirectoryFilter(**others))][:120]
                found, cursor = list[UUID](), None
                for _ in range(3):
                    page = await service.using(Directory).page(wanted, PageRequest(limit=40, cursor=cursor))
                    found += [entry.user_id for entry in page.items]
                    if (cursor := page.next_cursor) is None:
                        break

                assert found == expected, (q, others)
                assert (cursor is None) == (len(expected) < 120), (q, others)
