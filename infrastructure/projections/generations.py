"""The register of read models: which generation of each is live, and how far it has come."""

from datetime import datetime
from typing import Any

import msgspec
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from application.projections.definition import Projection
from infrastructure.log.reader import Connection
from infrastructure.projections.partitions import add_partition
from infrastructure.projections.tables import ModelTable

# At first, a fingerprint held the whole module of the key of its model, and later still its imports, which both have
# nothing to do with the model.
EARLIER_FINGERPRINTS = {
    ("access_log", 1): (
        "623c91e1d9946e5f4bc11067b5e03cbe5192cd8d0b82633301eec729036e4f84",
        "c1b2f3422e3dfc7f6c2da6540372066419438ee44b62fa8f7ea3ebdc503f1fe5",
        "b9680e0520fa518563d7247abf4bff5378c124320e3d838a1c6429c2afacfaa7",
    ),
    ("deletion_schedule", 1): (
        "e9937cd9bebe8fd22c6d970f49b6cc95df75d49c7785c5fbddc99c4037c6e0d7",
        "2b1d019bfa6343ca73710646eba4ec865369fd8bf776cf555a0c043adf8c401b",
        "880dce5d033125fe9da6dacc08e9b76756a15bde399a558dd4c1f02d391b11f0",
    ),
    ("user_directory", 7): (
        "2ad8fc32daacdc2975224698c3fba07c98a098cb92095037e5bf8bbb4be1a93b",
        "551518d76928811bb3e26f111d1b575faea4c206bcd09d0e7091409a093633de",
    ),
    ("user_statistics", 2): (
        "cbf51a80e8a750f84d26a6ff7115376dfcf9e7546a4d1e53c0fbac2d19de6785",
        "e4c3a467dd615d8baacebd69b60b6264f303ac53561fa280ffd4041624b65be2",
        "2b65ada19f07118b9a0ef797ccfc89473854e2d70efe0e5b29945781ef5f60b5",
    ),
}
"""What earlier releases called the same definitions: their rows stay, and both releases may run side by side."""
_COLUMNS = 'name, generation, version, fingerprint, state, "position", failure, created_at, switched_at'


class DefinitionChangedError(Exception):
    """A definition differs from the one that its live rows were built with, though the version is the same."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"The definition of {name} has changed since its version {version} was made. Give it the next version, "
            "and its rows will be made again while the present ones serve."
        )


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of a read model; it is folded up to `position`, some of its partitions perhaps further."""

    name: str
    generation: int
    version: int
    fingerprint: str
    state: str
    position: int
    failure: str | None
    created_at: datetime
    switched_at: datetime | None


def live_generation(connection: Connection, name: str) -> Generation | None:
    """The generation that serves queries."""
    cursor = connection.cursor(row_factory=class_row(Generation))
    cursor.execute(f"SELECT {_COLUMNS} FROM projection.standing WHERE name = %s AND state = 'live'", (name,))  # noqa: S608
    return cursor.fetchone()


def check_definition(connection: Connection, projection: Projection[Any]) -> None:
    """Raise `DefinitionChangedError` if the live rows were made by another definition of the same version."""
    live = live_generation(connection, projection.name)
    if live is None or live.version != projection.version or live.fingerprint == projection.fingerprint:
        return
    if live.fingerprint in EARLIER_FINGERPRINTS.get((projection.name, projection.version), ()):
        return
    if live.fingerprint:
        raise DefinitionChangedError(projection.name, projection.version)
    connection.execute(
        "UPDATE projection.generation SET fingerprint = %s WHERE name = %s AND version = %s AND fingerprint = ''",
        (projection.fingerprint, projection.name, projection.version),
    )


def generations(connection: Connection) -> list[Generation]:
    """All of them, the live ones first."""
    cursor = connection.cursor(row_factory=class_row(Generation))
    cursor.execute(f"SELECT {_COLUMNS} FROM projection.standing ORDER BY state <> 'live', name, generation")  # noqa: S608
    return cursor.fetchall()


def ensure_live(connection: Connection, projection: Projection[Any]) -> Generation:
    """The live generation; an empty first one for a new model. Safe to call concurrently."""
    found = live_generation(connection, projection.name)
    if found is None:
        try:
            with connection.transaction():
                generation = add_generation(connection, projection, "live")
                ModelTable(projection, generation).create_indexes(connection)
        except UniqueViolation:
            pass  # another worker was faster
        found = live_generation(connection, projection.name)
    if found is None:
        msg = f"projection {projection.name} has no live generation"
        raise LookupError(msg)
    return found


def add_generation(connection: Connection, projection: Projection[Any], state: str) -> int:
    """Register a new generation and make its empty table; part of the caller's transaction."""
    row = connection.execute(
        """
        INSERT INTO projection.generation (name, generation, version, fingerprint, state)
        SELECT %(name)s, coalesce(max(generation), 0) + 1, %(version)s, %(fingerprint)s, %(state)s
        FROM projection.generation WHERE name = %(name)s
        RETURNING generation
        """,
        {
            "name": projection.name,
            "version": projection.version,
            "fingerprint": projection.fingerprint,
            "state": state,
        },
    ).fetchone()
    generation: int = row[0] if row else 0
    add_partition(connection, projection.name, generation)
    ModelTable(projection, generation).create(connection)
    return generation


def note_failure(connection: Connection, name: str, generation: int, failure: str | None) -> None:
    """Record why following has stopped; None if it continues."""
    connection.execute(
        "UPDATE projection.generation SET failure = %s "
        "WHERE name = %s AND generation = %s AND failure IS DISTINCT FROM %s",
        (failure, name, generation, failure),
    )
