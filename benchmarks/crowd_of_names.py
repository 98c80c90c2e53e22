"""A directory of people with names as they are all over the world: a few that very many have, and very many rare ones.

How soon a search is answered depends on how common its words are. Here the n-th most common name is had by about 1/n of
those who have the most common one (Zipf's law); some people have two given names, some a Chinese name, and some were
registered in one go under names that begin alike, as load tests do. It is always the same crowd.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

import psycopg

from application.users.directory import USER_DIRECTORY, UserEntry, name_columns
from benchmarks.population import COUNTRIES
from domain.ids import uuid7
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.projections.generations import ensure_live
from infrastructure.projections.tables import model_table

_GIVEN = (
    *("Maria", "Anna", "Mohammed", "José", "Ada", "Zoë", "Jean-Luc", "Anders", "Andrea", "Antonio", "Björn", "Chloé"),
    *("Nguyễn", "Søren", "Łukasz", "Elif", "İlker"),
)
_FAMILY = ("Andersson", "García", "Smith", "Müller", "O'Brien", "Martin", "Lovelace", "İstanbullu", "Kowalski")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 1_500)]
_CONSONANTS: tuple[str, ...] = (*"bcdfghjklmnprstvwz", "br", "ch", "gr", "kr", "ll", "st", "tr", "sch")
_ENDINGS = ("", "", "n", "r", "s", "l")
_MADE_UP_GIVEN, _MADE_UP_FAMILY = 8_000, 80_000
_CHINESE, _TWO_GIVEN = 0.05, 0.35
"""Up to which of equally distributed numbers somebody has such a name."""
_IN_ONE_GO = 0.02
"""The share of those who were registered in one go."""
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_INTERVAL = timedelta(milliseconds=30)


def fill_directory(conninfo: str, people: int) -> None:
    """Write the crowd into the directory of a database whose log is empty, as a rebuild does."""
    with psycopg.connect(as_projector(embedded_as(Login.WORKER, conninfo)), autocommit=True) as connection:
        table = model_table(USER_DIRECTORY, ensure_live(connection, USER_DIRECTORY).generation)
        table.drop(connection)
        table.create(connection)
        table.copy(connection, _entries(people))
        table.create_indexes(connection)
    with psycopg.connect(conninfo, autocommit=True) as owner:
        # What autovacuum would do in its own time.
        owner.execute("VACUUM (ANALYZE)")


def _entries(people: int) -> Iterator[UserEntry]:
    chance = random.Random(1)
    for number, name in enumerate(_names(chance, people)):
        columns = name_columns(name)
        instant = _BEGIN + number * _INTERVAL
        address = f"{columns['word_1']}.{number}@example.com"
        yield UserEntry(
            user_id=_id(instant, chance),
            version=1,
            email=address,
            email_key=address,
            **columns,
            country=COUNTRIES[number % len(COUNTRIES)],
            created_at=instant,
            updated_at=instant,
        )


def _names(chance: random.Random, people: int) -> Iterator[str]:
    given = _Drawn(chance, [*_GIVEN, *_made_up(chance, _MADE_UP_GIVEN, (2, 2, 3))])
    family = _Drawn(chance, [*_FAMILY, *_made_up(chance, _MADE_UP_FAMILY, (2, 3, 3, 4))])
    surname = _Drawn(chance, _SURNAMES)
    in_one_go = range(int(people * 0.7), int(people * (0.7 + _IN_ONE_GO)))
    for number in range(people):
        kind = chance.random()
        if number in in_one_go:
            yield f"Loadtest {number}"
        elif kind < _CHINESE:
            yield surname.one() + "".join(chance.choices(_CHARACTERS, k=2))
        elif kind < _TWO_GIVEN:
            yield f"{given.one()} {given.one()} {family.one()}"
        else:
            yield f"{given.one()} {family.one()}"


class _Drawn:
    """Draws from names that are there in the order of how common they are."""

    def __init__(self, chance: random.Random, names: Sequence[str]) -> None:
        self._chance = chance
        self._names = names
        self._weights = list(accumulate(1 / place for place in range(1, len(names) + 1)))

    def one(self) -> str:
        return self._chance.choices(self._names, cum_weights=self._weights)[0]


def _made_up(chance: random.Random, count: int, syllables: Sequence[int]) -> list[str]:
    words = ("".join(_syllable(chance) for _ in range(chance.choice(syllables))) for _ in range(count))
    return [word.capitalize() for word in dict.fromkeys(words)]


def _syllable(chance: random.Random) -> str:
    return chance.choice(_CONSONANTS) + chance.choice("aeiou") + chance.choice(_ENDINGS)


def _id(instant: datetime, chance: random.Random) -> UUID:
    return uuid7(int(instant.timestamp() * 1000), chance.randbytes(10))
