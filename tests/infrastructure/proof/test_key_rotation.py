"""The key for checkpoints is replaced: the old one hands over, and whoever is interrupted goes on where they were."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from application.proof.checkpoints import Checkpoint, verified_checkpoint
from application.proof.handovers import with_successors
from application.proof.signed_notes import VerifierKey, parse_verifier_key
from infrastructure.log.reader import Connection
from infrastructure.proof.checkpointing import TreeUnsoundError, seal_to_head
from infrastructure.proof.key_rotation import published_handovers, rotate_key
from infrastructure.proof.signing_keys import CheckpointKeyFile, CheckpointKeys
from tests.support.audited import append_events, recomputed_tree, sealer

EMPTY_ROOT = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


class DyingKeyFile(CheckpointKeyFile):
    """The file of a process that dies before the last step."""

    def hand_over(self, successor: VerifierKey) -> CheckpointKeys:
        raise OSError(str(successor))


@pytest.fixture
def file(home: Path) -> CheckpointKeyFile:
    return CheckpointKeyFile(home, "log.example/test")


def published(connection: Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT key FROM audit.verifier_key ORDER BY published_at")]


def last_note(connection: Connection) -> str:
    row = connection.execute("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    assert row is not None
    note: str = row[0]
    return note


def test_the_old_key_names_the_new_one_in_what_it_signs_last(database: str, file: CheckpointKeyFile) -> None:
    old = file.keys().signing.verifier
    append_events(database, 10)
    with sealer(database) as connection:
        seal_to_head(connection, file.keys())

        new = rotate_key(connection, file)

        (note,) = published_handovers(connection)
        tree, _ = recomputed_tree(connection)
        assert published(connection) == [str(old), str(new)]
    assert verified_checkpoint(note, [old]) == Checkpoint(old.name, 10, tree.root)
    assert with_successors([old], [note]) == [old, new]


def test_the_new_key_goes_on_where_the_old_one_ended(database: str, home: Path, file: CheckpointKeyFile) -> None:
    old = file.keys().signing
    append_events(database, 10)
    with sealer(database) as connection:
        seal_to_head(connection, file.keys())
        new = rotate_key(connection, file)
        append_events(database, 10)
        seal_to_head(connection, file.keys())

        assert verified_checkpoint(last_note(connection), [new]).size == 20
    assert file.keys().former == (old.verifier,)
    content = json.loads((home / "checkpoint-key.json").read_text())
    assert content["nextPrivateKey"] is None
    assert old.private not in (file.keys().signing.private, content)
    assert (home / "checkpoint-key.json").stat().st_mode & 0o777 == 0o600


def test_a_key_that_has_signed_nothing_yet_hands_over_the_empty_log(database: str, file: CheckpointKeyFile) -> None:
    old = file.keys().signing.verifier
    with sealer(database) as connection:
        rotate_key(connection, file)

        (note,) = published_handovers(connection)
    assert verified_checkpoint(note, [old]) == Checkpoint(old.name, 0, EMPTY_ROOT)


def test_keys_hand_over_one_after_the_other(database: str, file: CheckpointKeyFile) -> None:
    first = file.keys().signing.verifier
    append_events(database, 3)
    with sealer(database) as connection:
        seal_to_head(connection, file.keys())
        others = [rotate_key(connection, file) for _ in range(3)]

        assert with_successors([first], published_handovers(connection)) == [first, *others]
        append_events(database, 3)
        assert seal_to_head(connection, file.keys()) == 6


def test_a_rotation_that_ended_before_anything_was_published_goes_on(database: str, file: CheckpointKeyFile) -> None:
    old = file.keys().signing.verifier
    append_events(database, 3)
    begun = file.next_key().verifier
    with sealer(database) as connection:
        assert seal_to_head(connection, file.keys()) == 3
        assert verified_checkpoint(last_note(connection), [old]).size == 3
        assert published(connection) == [str(old)]

        assert rotate_key(connection, file) == begun


def test_a_rotation_that_ended_before_the_new_key_signs_goes_on(
    database: str, home: Path, file: CheckpointKeyFile
) -> None:
    old = file.keys().signing.verifier
    append_events(database, 3)
    with sealer(database) as connection:
        seal_to_head(connection, file.keys())
        with pytest.raises(OSError, match="log"):
            rotate_key(connection, DyingKeyFile(home))
        append_events(database, 3)
        seal_to_head(connection, file.keys())
        assert verified_checkpoint(last_note(connection), [old]).size == 6

        new = rotate_key(connection, file)

        assert published(connection) == [str(old), str(new)]
        assert with_successors([old], published_handovers(connection)) == [old, new]
        append_events(database, 3)
        seal_to_head(connection, file.keys())
        assert verified_checkpoint(last_note(connection), [new]).size == 9


def test_those_who_rotate_at_once_leave_one_unbroken_chain(database: str, home: Path, file: CheckpointKeyFile) -> None:
    first = file.keys().signing.verifier
    append_events(database, 3)
    with sealer(database) as connection:
        seal_to_head(connection, file.keys())

    def rotate(_: int) -> VerifierKey:
        with sealer(database) as connection:
            return rotate_key(connection, CheckpointKeyFile(home))

    with ThreadPoolExecutor(4) as operators:
        made = set(map(str, operators.map(rotate, range(4))))

    with sealer(database) as connection:
        trusted = with_successors([first], published_handovers(connection))
        assert list(map(str, trusted)) == published(connection)
        assert set(map(str, trusted[1:])) == made
        assert file.keys().signing.verifier == trusted[-1]


def test_a_tree_that_was_not_signed_is_handed_over_by_nobody(database: str, file: CheckpointKeyFile) -> None:
    old = file.keys()
    append_events(database, 10)
    with sealer(database) as connection:
        seal_to_head(connection, old)
        with psycopg.connect(database, autocommit=True) as superuser:
            superuser.execute("SET session_replication_role = replica")
            superuser.execute("UPDATE audit.sealed SET edges = ARRAY[set_byte(edges[1], 0, get_byte(edges[1], 0) # 1)]")

        with pytest.raises(TreeUnsoundError):
            rotate_key(connection, file)

        assert published_handovers(connection) == []
    assert file.keys() == old


def test_a_handover_stays_as_it_was_published(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner, pytest.raises(InsufficientPrivilege, match="append-only"):
        owner.execute("UPDATE audit.verifier_key SET handover = NULL")


def test_a_program_from_before_reads_the_file_in_the_middle_of_a_rotation(home: Path, file: CheckpointKeyFile) -> None:
    key = file.keys().signing
    file.next_key()

    content = json.loads((home / "checkpoint-key.json").read_text())

    assert {"origin", "privateKey", "formerKeys"} <= set(content)
    assert (content["origin"], content["formerKeys"]) == (key.name, [])
    assert CheckpointKeyFile(home).keys().signing == key


def test_a_file_from_before_is_read(home: Path, file: CheckpointKeyFile) -> None:
    keys = file.keys()
    path = home / "checkpoint-key.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: content[name] for name in ("origin", "privateKey", "formerKeys")}))

    assert CheckpointKeyFile(home).keys() == keys
    assert parse_verifier_key(str(keys.signing.verifier)) == keys.signing.verifier
