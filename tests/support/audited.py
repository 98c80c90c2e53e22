"""Logs to be sealed, and what sealing them should come to."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from application.proof.merkle_tree import leaf_hash
from application.proof.tiles import TiledTree
from infrastructure.log.reader import Connection
from infrastructure.postgres.connections import as_sealer
from infrastructure.proof.leaf_reader import leaves_in

REGISTERED = b'{"email":"m@example.com","display_name":"M","country":"SE"}'


def append_events(conninfo: str, count: int) -> None:
    """So many people register, through the one way into the log."""
    numbers = list(range(1, count + 1))
    streams = [uuid.uuid4() for _ in numbers]
    states = [b'{"email":"a%d@example.com","display_name":"Ann","country":"SE"}' % number for number in numbers]
    nothing = [None] * count
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT count(*) FROM log.append(%s::uuid[], %s::bytea[], %s::bytea[], %s::bytea[], %s::uuid[], %s::uuid[],"
            " %s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[],"
            " %s::integer[], %s::uuid[], %s::integer[], %s::text[], %s::bytea[])",
            [
                [uuid.uuid4() for _ in numbers],
                nothing,
                nothing,
                [b""] * count,
                [uuid.uuid4() if number % 2 else None for number in numbers],
                nothing,
                [bytes(16) if number % 5 == 0 else None for number in numbers],
                ["admin:ann"] * count,
                nothing,
                ["test"] * count,
                ["" if number % 3 else None for number in numbers],
                numbers,
                streams,
                [1] * count,
                ["user.registered"] * count,
                states,
            ],
        )


@contextmanager
def sealer(conninfo: str) -> Iterator[Connection]:
    """A connection with the rights of the sealer."""
    with psycopg.connect(as_sealer(conninfo), autocommit=True) as connection:
        yield connection


def recomputed_tree(connection: Connection) -> tuple[TiledTree, dict[tuple[int, int], bytes]]:
    """The tree of the log as it is now, and its full tiles."""
    tree = TiledTree()
    leaves = [leaf_hash(data) for data in leaves_in(connection, 0, 2**62)]
    return tree, {(tile.level, tile.index): tile.hashes for tile in tree.add(leaves)}


def append_versions(conninfo: str, count: int) -> None:
    """One person who moves again and again."""
    stream = uuid.uuid4()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        append_event(connection, stream, 1, "user.registered", REGISTERED)
        for version in range(2, count + 1):
            append_event(connection, stream, version, "user.country_changed", b'{"country":"SE"}')


def append_event(connection: Connection, stream: uuid.UUID, version: int, topic: str, state: bytes) -> None:
    """One event, by an administrator."""
    connection.execute(
        "SELECT log.append(ARRAY[gen_random_uuid()], ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY[''::bytea],"
        " ARRAY[NULL::uuid], ARRAY[NULL::uuid], ARRAY[NULL::bytea], ARRAY['admin:ann'], ARRAY[NULL::text],"
        " ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[1], ARRAY[%s::uuid], ARRAY[%s::integer], ARRAY[%s::text],"
        " ARRAY[%s::bytea])",
        (stream, version, topic, state),
    )
