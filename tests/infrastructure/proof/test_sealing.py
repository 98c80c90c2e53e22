"""The sealer: each event becomes exactly one leaf, in order, whoever seals, in whatever pieces, whoever dies when."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from application.proof.checkpoints import verified_checkpoint
from application.proof.leaves import StoredEvent, encode
from application.proof.merkle_tree import leaf_hash, verify_consistency, verify_inclusion
from application.proof.queries import NotSealedError
from application.proof.tiles import TiledTree
from infrastructure.log.reader import Connection
from infrastructure.postgres.connections import APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE, in_role
from infrastructure.proof.checkpointing import Checkpointer, TreeUnsoundError, seal_batch, seal_to_head
from infrastructure.proof.leaf_reader import leaves_at, leaves_in
from infrastructure.proof.signing_keys import CheckpointKeyFile, CheckpointKeys, SigningKeyUnusableError
from infrastructure.proof.stored_tree import consistency_proof, inclusion_proofs
from tests.support.audited import append_events, recomputed_tree, sealer
from tests.support.waiting import eventually


@pytest.fixture
def keys(home: Path) -> CheckpointKeys:
    return CheckpointKeyFile(home, "log.example/test").keys()


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with sealer(database) as connection:
        yield connection


def notes(connection: Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT size, note FROM audit.checkpoint ORDER BY size").fetchall()


def stored_tiles(connection: Connection) -> dict[tuple[int, int], bytes]:
    rows = connection.cursor(binary=True).execute("SELECT level, index, hashes FROM audit.tile")
    return {(level, index): hashes for level, index, hashes in rows}


def stored_edges(connection: Connection) -> tuple[int, list[bytes]]:
    row = connection.cursor(binary=True).execute("SELECT size, edges FROM audit.sealed").fetchone()
    assert row is not None
    return row[0], row[1]


def assert_tree_is_that_of_the_log(connection: Connection) -> None:
    tree, tiles = recomputed_tree(connection)
    assert stored_edges(connection) == (tree.size, tree.edges)
    assert stored_tiles(connection) == tiles


def test_a_leaf_is_every_column_as_it_is_stored(database: str, connection: Connection) -> None:
    append_events(database, 3)
    rows = connection.execute('SELECT * FROM log.event ORDER BY "position"').fetchall()
    columns = StoredEvent.__struct_fields__

    events = [StoredEvent(**dict(zip(columns, row, strict=True))) for row in rows]

    assert list(leaves_in(connection, 0, 10)) == [encode(event) for event in events]
    assert list(leaves_at(connection, [3, 1])) == [encode(events[0]), encode(events[2])]
    assert list(leaves_in(connection, 3, 10)) == []


def test_sealing_in_batches_of_any_size_comes_to_the_tree_of_the_log(
    database: str, connection: Connection, keys: CheckpointKeys
) -> None:
    append_events(database, 1_500)
    draw = random.Random(5)

    while (sealing := seal_batch(connection, keys, draw.choice([1, 7, 255, 256, 257, 600]))) and sealing.size < 1_500:
        pass

    assert_tree_is_that_of_the_log(connection)


def test_every_batch_publishes_a_checkpoint_that_the_next_one_continues(
    database: str, connection: Connection, keys: CheckpointKeys
) -> None:
    append_events(database, 700)
    for limit in (1, 2, 255, 300, 999):
        seal_batch(connection, keys, limit)

    checkpoints = [verified_checkpoint(note, keys.trusted) for _, note in notes(connection)]

    assert [checkpoint.size for checkpoint in checkpoints] == [1, 3, 258, 558, 700]
    for old in checkpoints:
        for new in checkpoints:
            if old.size <= new.size:
                proof = consistency_proof(connection, old.size, new.size)
                assert (proof.old_root, proof.new_root) == (old.root, new.root)
                verify_consistency(old.size, new.size, proof.hashes, old.root, new.root)


def test_every_event_is_proved_to_be_in_every_later_tree(
    database: str, connection: Connection, keys: CheckpointKeys
) -> None:
    append_events(database, 600)
    seal_to_head(connection, keys)
    leaves = [leaf_hash(data) for data in leaves_in(connection, 0, 600)]

    for size in (1, 2, 255, 256, 257, 511, 600):
        tree = TiledTree()
        list(tree.add(leaves[:size]))
        for proof in inclusion_proofs(connection, range(1, size + 1), size):
            assert proof.root == tree.root
            verify_inclusion(leaves[proof.position - 1], proof.position - 1, size, proof.hashes, tree.root)


def test_what_is_not_sealed_cannot_be_proved(database: str, connection: Connection, keys: CheckpointKeys) -> None:
    append_events(database, 10)
    seal_batch(connection, keys, 5)

    for position, size in [(6, 5), (1, 6), (0, 5), (7, 10)]:
        with pytest.raises(NotSealedError):
            inclusion_proofs(connection, [position], size)
    for old, new in [(0, 5), (6, 5), (5, 6)]:
        with pytest.raises(NotSealedError):
            consistency_proof(connection, old, new)


def test_an_empty_log_has_no_checkpoint(connection: Connection, keys: CheckpointKeys) -> None:
    assert seal_to_head(connection, keys) == 0
    assert notes(connection) == []


def test_a_sealer_with_nothing_to_do_changes_nothing(
    database: str, connection: Connection, keys: CheckpointKeys
) -> None:
    append_events(database, 5)
    seal_to_head(connection, keys)

    seal_batch(connection, keys)

    assert [size for size, _ in notes(connection)] == [5]


def test_many_sealers_at_once_seal_each_event_once(database: str, connection: Connection, keys: CheckpointKeys) -> None:
    append_events(database, 1_000)

    def seal(number: int) -> None:
        with sealer(database) as own:
            while notes(own)[-1:] == [] or notes(own)[-1][0] < 1_000:
                seal_batch(own, keys, 17 + number)

    with ThreadPoolExecutor(6) as sealers:
        list(sealers.map(seal, range(6)))

    assert_tree_is_that_of_the_log(connection)


def test_a_sealer_passes_by_a_tree_that_another_one_holds(
    database: str, connection: Connection, keys: CheckpointKeys
) -> None:
    append_events(database, 5)
    with sealer(database) as other, other.transaction():
        other.execute("SELECT FROM audit.sealed FOR UPDATE")

        assert seal_batch(connection, keys) is None


def test_a_sealer_that_is_killed_again_and_again_loses_and_doubles_nothing(
    database: str, connection: Connection, keys: CheckpointKeys, home: Path
) -> None:
    kills, draw = 50, random.Random(7)
    published: list[tuple[int, str]] = []
    with mortal_sealers(database, home) as sealers:
        for _ in range(kills):
            append_events(database, 60)
            wanted = len(published) + draw.randint(1, 3)
            process = sealers.start(draw.random())
            eventually(partial(has_notes, connection, wanted), "some checkpoints")
            os.kill(process, signal.SIGKILL)
            sealers.wait()
            assert notes(connection)[: len(published)] == published
            published = notes(connection)
    seal_to_head(connection, keys)

    assert_tree_is_that_of_the_log(connection)
    assert stored_edges(connection)[0] == kills * 60
    roots = {size: verified_checkpoint(note, keys.trusted).root for size, note in notes(connection)}
    tree = TiledTree()
    leaves = [leaf_hash(data) for data in leaves_in(connection, 0, kills * 60)]
    for size, root in roots.items():
        list(tree.add(leaves[tree.size : size]))
        assert tree.root == root


def has_notes(connection: Connection, count: int) -> bool:
    row = connection.execute('SELECT s.size = h."position" FROM audit.sealed s, log.head h').fetchone()
    return len(notes(connection)) >= count or bool(row and row[0])


class MortalSealers:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, seed: float) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def wait(self) -> None:
        assert self._answer() == "gone"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def mortal_sealers(conninfo: str, folder: Path) -> Iterator[MortalSealers]:
    command = [sys.executable, "-m", "tests.support.mortal_sealers", conninfo, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield MortalSealers(process)
        assert process.stdin is not None
        process.stdin.close()


def test_a_checkpoint_waits_a_moment_after_the_one_before(database: str, connection: Connection, home: Path) -> None:
    working = Checkpointer(CheckpointKeyFile(home))
    append_events(database, 5)
    assert working.seal_due(connection) is False
    append_events(database, 5)

    assert working.seal_due(connection) is False

    assert [size for size, _ in notes(connection)] == [5]
    eventually(lambda: working.seal_due(connection) or len(notes(connection)) == 2, "the next checkpoint")


TAMPERED = {
    "the edge": "UPDATE audit.sealed SET edges = ARRAY[set_byte(edges[1], 0, get_byte(edges[1], 0) # 1)]",
    "the size": "UPDATE audit.sealed SET size = size - 1",
    "size and edge": "UPDATE audit.sealed SET size = size - 1, edges = ARRAY[substr(edges[1], 33)]",
    "the last checkpoint": "DELETE FROM audit.checkpoint",
    "its signature": "UPDATE audit.checkpoint SET note = replace(note, E'\\nlog.', E'\\nlag.') || 'x'",
    "the end of the log": 'UPDATE log.head SET "position" = 3',
    "an event that is to be sealed": 'DELETE FROM log.event WHERE "position" = 12',
}


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=TAMPERED)
def test_nothing_is_signed_on_top_of_what_was_not_signed(
    database: str, connection: Connection, keys: CheckpointKeys, statement: Any
) -> None:
    append_events(database, 10)
    seal_to_head(connection, keys)
    append_events(database, 5)
    with psycopg.connect(database, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(statement)

    with pytest.raises(TreeUnsoundError):
        seal_batch(connection, keys)


def test_a_stranger_with_a_published_key_cannot_hand_a_tree_of_their_own_on(
    database: str, connection: Connection, keys: CheckpointKeys, home: Path
) -> None:
    append_events(database, 10)
    stranger = CheckpointKeyFile(home / "stranger", "log.example/test").keys()
    seal_to_head(connection, stranger)

    with pytest.raises(TreeUnsoundError, match="cannot be trusted"):
        seal_batch(connection, keys)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(home: Path) -> None:
    with ThreadPoolExecutor(8) as processes:
        keys = list(processes.map(lambda _: CheckpointKeyFile(home).keys(), range(8)))

    assert len(set(map(str, (key.signing.verifier for key in keys)))) == 1
    assert (home / "checkpoint-key.json").stat().st_mode & 0o777 == 0o600


def test_two_logs_have_different_names(home: Path) -> None:
    assert CheckpointKeyFile(home / "a").keys().signing.name != CheckpointKeyFile(home / "b").keys().signing.name


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"origin":"log","privateKey":"!"}', b'{"origin":"l g","privateKey":"' + b"A" * 43 + b'="}'],
    ids=["empty", "nothing", "no key", "no name"],
)
def test_a_file_that_is_no_key_is_refused(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "checkpoint-key.json").write_bytes(content)

    with pytest.raises(SigningKeyUnusableError):
        CheckpointKeyFile(home).keys()


def test_a_log_cannot_change_its_name(home: Path) -> None:
    CheckpointKeyFile(home, "log.example/a").keys()

    with pytest.raises(SigningKeyUnusableError, match="REPRISE_LOG_ORIGIN"):
        CheckpointKeyFile(home, "log.example/b").keys()


WRITES = {
    "tile": "UPDATE audit.tile SET hashes = hashes",
    "tiles": "DELETE FROM audit.tile",
    "checkpoint": "UPDATE audit.checkpoint SET note = ''",
    "checkpoints": "DELETE FROM audit.checkpoint",
    "all checkpoints": "TRUNCATE audit.checkpoint",
    "keys": "DELETE FROM audit.verifier_key",
    "progress": "DELETE FROM audit.sealed",
}


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
def test_what_was_published_stays_even_for_the_owner_of_the_database(database: str, statement: Any) -> None:
    with psycopg.connect(database, autocommit=True) as owner, pytest.raises(InsufficientPrivilege, match="append-only"):
        owner.execute(statement)


@pytest.mark.parametrize("role", [APP_ROLE, PROJECTOR_ROLE])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit.checkpoint (size, note) VALUES (1, '')",
        "UPDATE audit.sealed SET size = 1",
        "INSERT INTO audit.verifier_key (key) VALUES ('')",
        "INSERT INTO audit.tile VALUES (0, 0, '')",
    ],
    ids=["checkpoint", "progress", "key", "tile"],
)
def test_only_the_sealer_writes(database: str, role: str, statement: Any) -> None:
    with psycopg.connect(in_role(database, role), autocommit=True) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)


def test_the_sealer_cannot_touch_the_log(database: str) -> None:
    with (
        psycopg.connect(in_role(database, SEALER_ROLE), autocommit=True) as connection,
        pytest.raises(InsufficientPrivilege),
    ):
        connection.execute("UPDATE log.head SET position = 0")
