"""`reprise audit`, the part that proves: made on one machine, verified on another, with nothing but a key."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from application.proof.checkpoints import parse_checkpoint, verified_checkpoint
from application.proof.signed_notes import SigningKey, parse_verifier_key
from tests.support.cli import CHECKOUT, CommandLine, Ended
from tests.support.cli_people import crowd, file_of

EVENTS = 6


@pytest.fixture
def reprise(home: Path, database: str, tmp_path: Path) -> CommandLine:
    """A log with some people in it."""
    command_line = CommandLine(home, database)
    people = tmp_path / "people.jsonl"
    people.write_bytes(file_of(*crowd(3)))
    assert command_line.call("import", str(people)).code == 0
    return command_line


@pytest.fixture
def elsewhere(tmp_path: Path) -> CommandLine:
    """Another machine, without a database."""
    return CommandLine(tmp_path / "elsewhere", "host=/nowhere")


def key_of(reprise: CommandLine) -> str:
    newest: str = reprise.call("audit", "keys", "--json").json["items"][0]["key"]
    return newest


def done(ended: Ended) -> Ended:
    assert (ended.code, ended.err) == (0, "")
    return ended


def test_a_checkpoint_covers_all_there_is_and_is_signed(reprise: CommandLine) -> None:
    note = done(reprise.call("audit", "checkpoint")).out

    checkpoint = verified_checkpoint(note, [parse_verifier_key(key_of(reprise))])

    assert checkpoint.size >= EVENTS
    assert reprise.call("audit", "checkpoint", "--json").json["note"] == note


def test_a_bundle_of_a_range_is_verified_elsewhere(
    reprise: CommandLine, elsewhere: CommandLine, tmp_path: Path
) -> None:
    key, file = key_of(reprise), str(tmp_path / "bundle")
    done(reprise.call("audit", "bundle", "--from", "2", "--to", "5", "--output", file))

    report = done(elsewhere.call("audit", "verify", file, "--key", key, "--json")).json

    assert (report["events"], report["firstPosition"], report["lastPosition"]) == (4, 2, 5)


def test_a_bundle_about_a_user_holds_all_of_their_timeline(
    reprise: CommandLine, elsewhere: CommandLine, tmp_path: Path
) -> None:
    history = done(reprise.call("audit", "history", "listener1@example.com", "--json")).json["items"]
    key, file, user = key_of(reprise), str(tmp_path / "bundle"), history[0]["userId"]
    done(reprise.call("audit", "bundle", "--user", user, "--output", file))

    report = done(elsewhere.call("audit", "verify", file, "--key", key, "--json")).json

    assert (report["user"], report["events"]) == (user, len(history))


def test_a_bundle_proves_that_the_log_has_only_grown_since_a_checkpoint_that_was_kept(
    reprise: CommandLine, elsewhere: CommandLine, tmp_path: Path
) -> None:
    kept, people, file = tmp_path / "kept", tmp_path / "more.jsonl", str(tmp_path / "bundle")
    kept.write_text(reprise.call("audit", "checkpoint").out, encoding="utf-8")
    people.write_bytes(file_of(*crowd(3, "newcomer")))
    done(reprise.call("import", str(people)))
    done(reprise.call("audit", "bundle", "--from", "1", "--old", str(kept), "--output", file))

    verified = elsewhere.call("audit", "verify", file, "--key", key_of(reprise), "--old", str(kept))

    assert "has grown from" in done(verified).out


def test_a_bundle_that_was_changed_is_not_proved(reprise: CommandLine, elsewhere: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "bundle"
    done(reprise.call("audit", "bundle", "--from", "1", "--output", str(file)))
    file.write_bytes(file.read_bytes().replace(b'"proof":["', b'"proof":["A', 1))

    ended = elsewhere.call("audit", "verify", str(file), "--key", key_of(reprise))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("reprise: Not proved: line 2")


def test_the_whole_log_is_verified(reprise: CommandLine) -> None:
    size = reprise.call("audit", "checkpoint", "--json").json["size"]

    report = done(reprise.call("audit", "verify", "--key", key_of(reprise), "--json")).json

    assert (report["events"], report["sealed"], report["findings"]) == (size, size, [])


def test_what_is_wrong_with_the_log_is_named(reprise: CommandLine, database: str) -> None:
    done(reprise.call("audit", "checkpoint"))
    with psycopg.connect(database, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE log.event SET reason = 'another' WHERE position = 3")

    text, as_json = reprise.call("audit", "verify"), reprise.run("audit", "verify", "--json")

    assert (text.code, as_json.code) == (1, 1)
    assert "the event is not the one that was sealed" in text.out
    assert '"position": 3' in as_json.out


def test_a_checkpoint_that_was_kept_shows_that_the_log_is_another_one(
    reprise: CommandLine, database: str, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(done(reprise.call("audit", "checkpoint")).out, encoding="utf-8")
    with psycopg.connect(database, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE log.event SET reason = 'another' WHERE position = 3")
        superuser.execute("DELETE FROM audit.checkpoint")
        superuser.execute("UPDATE audit.sealed SET size = 0, edges = '{}'")
    done(reprise.call("audit", "checkpoint"))

    ended = reprise.call("audit", "verify", "--old", str(kept))

    assert ended.code == 1
    assert "not those of the older checkpoint" in ended.out


def test_an_event_is_proved(reprise: CommandLine) -> None:
    proof = done(reprise.call("audit", "prove", "--position", "3", "--json")).json

    assert proof["position"] == 3
    assert len(proof["hashes"]) >= 2
    assert "step 1" in done(reprise.call("audit", "prove", "--position", "3", "--size", "5")).out


def test_a_new_key_signs_and_the_old_one_still_verifies_what_it_signed(reprise: CommandLine) -> None:
    old_key, old_note = key_of(reprise), reprise.call("audit", "checkpoint").out

    new_key = done(reprise.call("audit", "rotate-key", "--json")).json["key"]

    listed = [item["key"] for item in reprise.call("audit", "keys", "--json").json["items"]]
    assert listed == [new_key, old_key]
    assert verified_checkpoint(old_note, [parse_verifier_key(old_key)]).size >= EVENTS
    assert done(reprise.call("audit", "verify")).code == 0


def test_whoever_trusts_the_old_key_can_trust_what_the_new_one_signs(
    reprise: CommandLine, elsewhere: CommandLine, tmp_path: Path
) -> None:
    old_key, kept, file = key_of(reprise), tmp_path / "kept", str(tmp_path / "bundle")
    kept.write_text(reprise.call("audit", "checkpoint").out, encoding="utf-8")
    for _ in range(2):
        done(reprise.call("audit", "rotate-key"))
    (tmp_path / "more").write_bytes(file_of(*crowd(1, "newcomer")))
    done(reprise.call("import", str(tmp_path / "more")))
    done(reprise.call("audit", "bundle", "--from", "1", "--old", str(kept), "--output", file))

    alone = [sys.executable, "-m", "application.proof", file, "--key", old_key, "--old", str(kept)]
    assert "Proved" in done(elsewhere.call("audit", "verify", file, "--key", old_key, "--old", str(kept))).out
    assert subprocess.run(alone, cwd=CHECKOUT, check=True, capture_output=True).stdout.startswith(b"Proved")
    assert done(reprise.call("audit", "verify", "--key", old_key, "--json")).json["findings"] == []
    notes = [item["handover"] for item in reprise.call("audit", "keys", "--json").json["items"]]
    assert [note is not None for note in notes] == [True, True, False]


def test_a_stranger_who_publishes_a_key_of_their_own_is_not_believed(
    reprise: CommandLine, elsewhere: CommandLine, database: str, tmp_path: Path
) -> None:
    key, file = key_of(reprise), str(tmp_path / "bundle")
    note = done(reprise.call("audit", "checkpoint")).out
    stranger = SigningKey(parse_verifier_key(key).name, bytes(32))
    claim = f"{parse_checkpoint(note.partition(chr(10) * 2)[0] + chr(10)).text}next-key {stranger.verifier}\n"
    with psycopg.connect(database, autocommit=True) as superuser:
        forged = note.replace(note.partition("\n\n")[0] + "\n", claim) + stranger.signature(claim)
        superuser.execute("INSERT INTO audit.verifier_key VALUES (%s, now(), %s)", (str(stranger.verifier), forged))
    done(reprise.call("audit", "bundle", "--from", "1", "--output", file))

    for ended in (
        reprise.call("audit", "verify", "--key", key, "--json"),
        elsewhere.call("audit", "verify", file, "--key", key, "--json"),
    ):
        assert (ended.code, ended.json["error"]["code"]) in {(1, "log_not_proved"), (1, "not_proved")}


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no such position": (("prove", "--position", "999"), 1, "not_sealed"),
    "a bundle about nothing": (("bundle", "--output", "x"), 2, "usage"),
    "a bundle about two things": (
        ("bundle", "--output", "x", "--user", "0190c0de-0000-7000-8000-000000000000", "--from", "1"),
        2,
        "usage",
    ),
    "a bundle about nobody": (
        ("bundle", "--output", "x", "--user", "0190c0de-0000-7000-8000-000000000000"),
        1,
        "not_found",
    ),
    "a bundle of what is to come": (("bundle", "--output", "x", "--from", "1", "--to", "999"), 1, "not_sealed"),
    "a bundle without a key": (("verify", "x"), 2, "usage"),
    "no key": (("verify", "x", "--key", "abc"), 2, "key_invalid"),
    "no file": (("verify", "/nowhere", "--key", "KEY"), 1, "enoent"),
}


@pytest.mark.parametrize(("arguments", "code", "name"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused(
    reprise: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    key: Callable[[str], str] = lambda text: key_of(reprise) if text == "KEY" else text  # noqa: E731 - one line says it

    ended = reprise.call("audit", *map(key, arguments), "--json")

    assert (ended.code, ended.json["error"]["code"]) == (code, name)
    assert not (tmp_path / "x").exists()
