"""Whoever changes anything in the database is found out, and the position is named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.proof.checkpoints import Checkpoint, verified_checkpoint
from application.proof.merkle_tree import ProofInvalidError, leaf_hash, verify_consistency
from application.proof.tiles import TiledTree
from infrastructure.postgres.connections import as_sealer
from infrastructure.proof.checkpointing import seal_batch, seal_to_head
from infrastructure.proof.leaf_reader import leaves_in
from infrastructure.proof.signing_keys import CheckpointKeyFile, CheckpointKeys
from infrastructure.proof.stored_tree import consistency_proof
from infrastructure.proof.verification import LogVerification, VerificationProgress, verify_log
from tests.support.audited import append_events, append_versions, sealer

SEALED, MARK = 700, 400
"""Sealed in all, and at the checkpoint that an auditor has kept."""


@pytest.fixture
def keys(home: Path) -> CheckpointKeys:
    return CheckpointKeyFile(home, "log.example/test").keys()


@pytest.fixture
def kept(database: str, keys: CheckpointKeys) -> Checkpoint:
    """A sealed log with some streams of several versions, and the checkpoint that an auditor has kept of it."""
    append_events(database, 300)
    append_versions(database, 100)
    with sealer(database) as connection:
        seal_to_head(connection, keys)
        append_events(database, SEALED - MARK)
        seal_batch(connection, keys, 50)
        seal_to_head(connection, keys)
        row = connection.execute("SELECT note FROM audit.checkpoint WHERE size = %s", (MARK,)).fetchone()
    assert row is not None
    return verified_checkpoint(row[0], keys.trusted)


@pytest.fixture
def superuser(database: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody whom neither roles nor triggers stop."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def verified(database: str, keys: CheckpointKeys, old: Checkpoint | None = None) -> LogVerification:
    return verify_log(as_sealer(database), keys.trusted, [old] if old else [])


def findings(verification: LogVerification) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.position) for finding in verification.findings]


def test_a_log_that_nobody_touched_has_no_findings(database: str, kept: Checkpoint, keys: CheckpointKeys) -> None:
    shown: list[VerificationProgress] = []
    verification = verify_log(as_sealer(database), keys.trusted, [kept], shown.append)

    assert verification.findings == []
    assert (verification.events, verification.sealed, verification.checkpoints) == (SEALED, SEALED, 3)
    assert shown[-1] == VerificationProgress(SEALED, SEALED)


def test_an_empty_log_has_no_findings(database: str, keys: CheckpointKeys) -> None:
    assert verified(database, keys).findings == []


def test_events_that_are_not_sealed_yet_are_verified_as_far_as_they_can_be(
    database: str, kept: Checkpoint, keys: CheckpointKeys, superuser: psycopg.Connection[Any]
) -> None:
    append_events(database, 5)
    assert verified(database, keys).findings == []

    superuser.execute('DELETE FROM log.event WHERE "position" = 703')

    assert findings(verified(database, keys)) == [("missing", 703)]


CHANGES: dict[str, tuple[str, list[tuple[str, int | None]]]] = {
    "a byte of an event": (
        """UPDATE log.event SET state = overlay(state PLACING 'b' FROM 11) WHERE "position" = 123""",
        [("changed", 123)],
    ),
    "the actor": ("""UPDATE log.event SET actor = 'admin:bob' WHERE "position" = 123""", [("changed", 123)]),
    "the person it was done for": (
        """UPDATE log.event SET on_behalf_of = '' WHERE "position" = 123""",
        [("changed", 123)],
    ),
    "the client": ("""UPDATE log.event SET client = NULL WHERE "position" = 123""", [("changed", 123)]),
    "the reason": ("""UPDATE log.event SET reason = 'because' WHERE "position" = 123""", [("changed", 123)]),
    "an empty reason": ("""UPDATE log.event SET reason = NULL WHERE "position" = 122""", [("changed", 122)]),
    "the command": ("UPDATE log.event SET command_id = gen_random_uuid() WHERE position = 123", [("changed", 123)]),
    "the correlation": ("UPDATE log.event SET correlation_id = NULL WHERE position = 123", [("changed", 123)]),
    "the causation": ("UPDATE log.event SET causation_id = command_id WHERE position = 123", [("changed", 123)]),
    "the trace": ("UPDATE log.event SET trace_id = NULL WHERE position = 125", [("changed", 125)]),
    "the time": (
        "UPDATE log.event SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = 300",
        [("changed", 300)],
    ),
    "the stream": ("UPDATE log.event SET stream_id = gen_random_uuid() WHERE position = 123", [("changed", 123)]),
    "the version": ("UPDATE log.event SET version = 2 WHERE position = 123", [("changed", 123), ("version", 123)]),
    "a known topic": (
        "UPDATE log.event SET topic = 'user.email_verified' WHERE position = 123",
        [("changed", 123)],
    ),
    "an unknown topic": (
        "UPDATE log.event SET topic = 'user.promoted' WHERE position = 123",
        [("changed", 123), ("topic", 123)],
    ),
    "the whole content": (
        "UPDATE log.event SET state = 'nothing' WHERE position = 123",
        [("changed", 123), ("state", 123)],
    ),
    "the last event is gone": ("DELETE FROM log.event WHERE position = 700", [("missing", 700)]),
    "the last event and its trace in the head are gone": (
        "WITH gone AS (DELETE FROM log.event WHERE position = 700) UPDATE log.head SET position = 699",
        [("missing", 700), ("missing", 700)],
    ),
    "an event in the middle is gone": ("DELETE FROM log.event WHERE position = 123", [("missing", 123)]),
    "the first version of a stream is gone": (
        "DELETE FROM log.event WHERE position = 301",
        [("missing", 301), ("version", 302)],
    ),
    "an event is added beyond the head": (
        """
        INSERT INTO log.event SELECT 701, recorded_at, gen_random_uuid(), 1, topic, state FROM log.event
        WHERE position = 700
        """,
        [("stray", 701)],
    ),
    "an event before the first": (
        """
        INSERT INTO log.event SELECT 0, recorded_at, gen_random_uuid(), 1, topic, state FROM log.event
        WHERE position = 1
        """,
        [("stray", 0)],
    ),
    "two events are swapped": (
        """
        UPDATE log.event e SET position = -e.position WHERE position IN (123, 456);
        UPDATE log.event e SET position = CASE position WHEN -123 THEN 456 ELSE 123 END WHERE position < 0
        """,
        [("changed", 123), ("changed", 456)],
    ),
    "two events of one stream are swapped": (
        """
        UPDATE log.event e SET position = -e.position WHERE position IN (310, 311);
        UPDATE log.event e SET position = CASE position WHEN -310 THEN 311 ELSE 310 END WHERE position < 0
        """,
        [("changed", 310), ("version", 310), ("changed", 311)],
    ),
    "the tree": (
        "UPDATE audit.tile SET hashes = set_byte(hashes, 32, get_byte(hashes, 32) # 1) WHERE level = 0 AND index = 1",
        [("changed", 258), ("rewritten", 1)],
    ),
    "the edge of the tree": (
        "UPDATE audit.sealed SET edges[1] = set_byte(edges[1], 0, get_byte(edges[1], 0) # 1)",
        [("rewritten", 451), ("changed", 513)],
    ),
    "the upper part of the tree": (
        "UPDATE audit.sealed SET edges[2] = set_byte(edges[2], 0, get_byte(edges[2], 0) # 1)",
        [("tree", None)],
    ),
    "a tile is gone": ("DELETE FROM audit.tile WHERE index = 1", [("tree", 257)]),
    "a checkpoint": (
        "UPDATE audit.checkpoint SET note = replace(note, E'\\n450\\n', E'\\n451\\n') WHERE size = 450",
        [("checkpoint", 450)],
    ),
    "the last checkpoint is gone": ("DELETE FROM audit.checkpoint WHERE size = 700", [("checkpoint", 700)]),
}


@pytest.mark.parametrize(("statements", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_in_the_database_is_found_and_named(
    database: str,
    kept: Checkpoint,
    keys: CheckpointKeys,
    superuser: psycopg.Connection[Any],
    statements: Any,
    expected: list[tuple[str, int | None]],
) -> None:
    for statement in statements.split(";"):
        assert superuser.execute(statement).rowcount > 0

    found = findings(verified(database, keys))

    assert set(expected) <= set(found)
    named = {position for _, position in expected}
    assert {position for kind, position in found if kind in {"changed", "missing", "stray", "version"}} <= named


def test_an_event_that_is_pushed_in_is_named_and_so_is_every_one_that_it_moved(
    database: str, kept: Checkpoint, keys: CheckpointKeys, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute('UPDATE log.event SET "position" = -"position" - 1 WHERE "position" >= 123')
    superuser.execute('UPDATE log.event SET "position" = -"position" WHERE "position" < 0')
    superuser.execute(
        "INSERT INTO log.event SELECT 123, recorded_at, gen_random_uuid(), 1, topic, state FROM log.event"
        " WHERE position = 122"
    )
    superuser.execute('UPDATE log.head SET "position" = "position" + 1')

    found = findings(verified(database, keys))

    assert ("changed", 123) in found
    assert {position for kind, position in found if kind == "changed"} == set(range(123, SEALED + 1))


def make_tree_anew(superuser: psycopg.Connection[Any]) -> TiledTree:
    """What somebody does who rewrites the log and knows about the tree, but does not have the key."""
    tree = TiledTree()
    tiles = list(tree.add([leaf_hash(data) for data in leaves_in(superuser, 0, 10**9)]))
    superuser.execute("DELETE FROM audit.tile")
    for tile in tiles:
        superuser.execute("INSERT INTO audit.tile VALUES (%s, %s, %s)", (tile.level, tile.index, tile.hashes))
    superuser.execute("UPDATE audit.sealed SET size = %s, edges = %s", (tree.size, tree.edges))
    return tree


def test_whoever_rewrites_the_tree_along_with_the_log_is_found_by_the_next_checkpoint(
    database: str, kept: Checkpoint, keys: CheckpointKeys, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute("""UPDATE log.event SET actor = 'admin:bob' WHERE "position" = 430""")
    make_tree_anew(superuser)

    (finding,) = verified(database, keys).findings

    assert (finding.kind, finding.position) == ("rewritten", MARK + 1)
    assert finding.message == "positions 401 to 450: the events are not those that were signed"


def test_whoever_rewrites_everything_even_with_the_key_is_found_by_a_checkpoint_that_was_kept(
    database: str, kept: Checkpoint, keys: CheckpointKeys, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute("""UPDATE log.event SET actor = 'admin:bob' WHERE "position" = 123""")
    superuser.execute("DELETE FROM audit.checkpoint")
    superuser.execute("DELETE FROM audit.tile")
    superuser.execute("UPDATE audit.sealed SET size = 0, edges = '{}'")
    with sealer(database) as connection:
        seal_to_head(connection, keys)
        proof = consistency_proof(connection, kept.size, SEALED)

    assert verified(database, keys).findings == []
    assert findings(verified(database, keys, kept)) == [("rewritten", kept.size)]
    with pytest.raises(ProofInvalidError):
        verify_consistency(kept.size, SEALED, proof.hashes, kept.root, proof.new_root)


def test_a_log_that_was_cut_off_is_found_by_a_checkpoint_that_was_kept(
    database: str, kept: Checkpoint, keys: CheckpointKeys, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute('DELETE FROM log.event WHERE "position" > 100')
    superuser.execute('UPDATE log.head SET "position" = 100')
    superuser.execute("DELETE FROM audit.checkpoint")
    make_tree_anew(superuser)
    superuser.execute("DELETE FROM audit.sealed")
    superuser.execute("INSERT INTO audit.sealed VALUES (true, 0, '{}')")
    superuser.execute("DELETE FROM audit.tile")
    with sealer(database) as connection:
        seal_to_head(connection, keys)

    assert verified(database, keys).findings == []
    assert findings(verified(database, keys, kept)) == [("missing", kept.size)]


def test_checkpoints_of_a_stranger_prove_nothing(database: str, kept: Checkpoint, home: Path) -> None:
    stranger = CheckpointKeyFile(home / "stranger", "log.example/test").keys()

    assert findings(verified(database, stranger)) == [("checkpoint", MARK), ("checkpoint", 450), ("checkpoint", SEALED)]
