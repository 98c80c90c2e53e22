"""The right edge of the stored tree is made again from the log, and only if that gives the tree that was signed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.proof.checkpoints import verified_checkpoint
from infrastructure.postgres.connections import as_sealer
from infrastructure.proof.checkpointing import TreeUnsoundError, seal_batch, seal_to_head
from infrastructure.proof.edge_repair import EdgeNotRepairableError, repair_edge
from infrastructure.proof.signing_keys import CheckpointKeyFile, CheckpointKeys
from infrastructure.proof.verification import verify_log
from tests.support.audited import append_events, sealer
from tests.support.cli import CommandLine

SEALED = 600
DAMAGES = {
    "text for octets": (
        "UPDATE audit.sealed SET edges = ARRAY(SELECT convert_to(encode(e, 'hex'), 'UTF8') FROM unnest(edges) e)"
    ),
    "text of octets": "UPDATE audit.sealed SET edges = ARRAY(SELECT convert_to(e::text, 'UTF8') FROM unnest(edges) e)",
    "a wrong octet": "UPDATE audit.sealed SET edges[1] = set_byte(edges[1], 0, get_byte(edges[1], 0) # 1)",
    "a wrong octet above": "UPDATE audit.sealed SET edges[2] = set_byte(edges[2], 0, get_byte(edges[2], 0) # 1)",
    "an octet too few": "UPDATE audit.sealed SET edges[1] = substr(edges[1], 2)",
    "a hash too few": "UPDATE audit.sealed SET edges[1] = substr(edges[1], 33)",
    "nothing on a level": "UPDATE audit.sealed SET edges[1] = NULL",
    "no levels": "UPDATE audit.sealed SET edges = '{}'",
    "levels in two dimensions": "UPDATE audit.sealed SET edges = ARRAY[edges, edges]",
    "another size": "UPDATE audit.sealed SET size = size + 1",
    "no row": "DELETE FROM audit.sealed",
}


@pytest.fixture
def keys(home: Path) -> CheckpointKeys:
    return CheckpointKeyFile(home / "keys", "log.example/test").keys()


@pytest.fixture
def published(database: str, keys: CheckpointKeys) -> bytes:
    """The root of a log that was sealed."""
    append_events(database, SEALED)
    with sealer(database) as connection:
        seal_to_head(connection, keys)
        row = connection.execute("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    assert row
    return verified_checkpoint(row[0], keys.trusted).root


@pytest.fixture
def superuser(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def stored(connection: psycopg.Connection[Any]) -> list[Any]:
    return connection.cursor(binary=True).execute("SELECT size, edges FROM audit.sealed").fetchall()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_edge_is_found_and_made_again(
    damage: str, database: str, superuser: psycopg.Connection[Any], keys: CheckpointKeys, published: bytes
) -> None:
    before = stored(superuser)
    superuser.execute(damage.encode())
    append_events(database, 5)

    assert verify_log(as_sealer(database), keys.trusted).findings != []
    with sealer(database) as connection, pytest.raises(TreeUnsoundError):
        seal_batch(connection, keys)

    repair = repair_edge(superuser, keys.trusted)

    assert (repair.size, repair.root, repair.repaired) == (SEALED, published, True)
    assert stored(superuser) == before
    with sealer(database) as connection:
        assert seal_to_head(connection, keys) == SEALED + 5
    assert verify_log(as_sealer(database), keys.trusted).findings == []


IRREPARABLE = {
    "an event was changed": "UPDATE log.event SET reason = 'another' WHERE \"position\" = 3",
    "an event is missing": 'DELETE FROM log.event WHERE "position" = 300',
    "the last events are missing": 'DELETE FROM log.event WHERE "position" > 590',
    "the checkpoint was changed": "UPDATE audit.checkpoint SET note = replace(note, '600', '599')",
    "the checkpoint is missing": "DELETE FROM audit.checkpoint",
    "a tile is missing": "DELETE FROM audit.tile WHERE index = 1",
}


@pytest.mark.parametrize("change", IRREPARABLE.values(), ids=IRREPARABLE)
@pytest.mark.usefixtures("published")
def test_nothing_is_stored_if_the_log_does_not_give_what_was_signed(
    change: str, superuser: psycopg.Connection[Any], keys: CheckpointKeys
) -> None:
    superuser.execute("UPDATE audit.sealed SET edges = '{}'")
    superuser.execute(change.encode())

    with pytest.raises(EdgeNotRepairableError):
        repair_edge(superuser, keys.trusted)

    assert stored(superuser) == [(SEALED, [])]


@pytest.mark.usefixtures("published")
def test_a_stranger_s_key_does_not_vouch_for_the_tree(superuser: psycopg.Connection[Any], tmp_path: Path) -> None:
    stranger = CheckpointKeyFile(tmp_path, "log.example/test").keys()

    with pytest.raises(EdgeNotRepairableError, match="cannot be trusted"):
        repair_edge(superuser, stranger.trusted)


@pytest.mark.parametrize("damage", ["DELETE FROM audit.sealed", "UPDATE audit.sealed SET size = 1, edges = '{\"x\"}'"])
def test_before_anything_is_sealed_the_edge_is_empty(
    damage: str, database: str, superuser: psycopg.Connection[Any], keys: CheckpointKeys
) -> None:
    superuser.execute(damage.encode())

    assert repair_edge(superuser, keys.trusted).size == 0
    append_events(database, 3)
    with sealer(database) as connection:
        assert seal_to_head(connection, keys) == 3


def test_the_command_says_what_it_did(database: str, home: Path, superuser: psycopg.Connection[Any]) -> None:
    reprise = CommandLine(home, database)
    append_events(database, 10)
    root = reprise.call("audit", "checkpoint").out.split("\n")[2]

    assert reprise.call("audit", "repair").out == "The edge of the tree is in order. 10 events are sealed.\n"
    superuser.execute("UPDATE audit.sealed SET edges = '{}'")
    assert reprise.call("audit", "verify").code == 1
    assert reprise.call("audit", "repair", "--json").json == {"size": 10, "root": root, "repaired": True}
    assert reprise.call("audit", "verify").code == 0

    superuser.execute("UPDATE log.event SET reason = 'another' WHERE \"position\" = 3")
    refused = reprise.call("audit", "repair")
    assert (refused.code, "Nothing was repaired: the first 10 events are not" in refused.err) == (1, True)
