"""The command line beside somebody who cannot be read: a sentence, never a traceback."""

from pathlib import Path

import psycopg
import pytest

from tests.support.cli import CommandLine
from tests.support.cli_people import crowd, file_of
from tests.support.damage import damage
from tests.support.running import follow_to_head

DAMAGED = ["an unknown topic first", "a payload of garbage", "a garbled key", "a missing key"]


@pytest.fixture(params=DAMAGED)
def broken(request: pytest.FixtureRequest, home: Path, database: str, tmp_path: Path) -> tuple[CommandLine, str]:
    """Three people whom every read model has folded; the first of them has become unreadable since."""
    reprise = CommandLine(home, database)
    people = tmp_path / "people.jsonl"
    people.write_bytes(file_of(*crowd(3)))
    assert reprise.call("import", str(people)).code == 0
    follow_to_head(database)
    with psycopg.connect(database) as connection:
        row = connection.execute('SELECT stream_id FROM log.event WHERE "position" = 1').fetchone()
    assert row
    damage(database, str(row[0]), request.param)
    return reprise, str(row[0])


def test_commands_about_them_say_what_cannot_be_read(broken: tuple[CommandLine, str], tmp_path: Path) -> None:
    reprise, user_id = broken

    for command in (
        ["users", "show", user_id],
        ["users", "show", user_id, "--version", "1"],
        ["audit", "diff", user_id],
    ):
        ended = reprise.call(*command)
        assert (ended.code, ended.out) == (1, "")
        assert "version 1 (position 1)" in ended.err
        assert "`reprise audit history` shows what can be read" in ended.err
        assert ended.err.count("\n") == 1
    history = reprise.call("audit", "history", user_id)
    assert (history.code, "[unreadable]" in history.out) == (0, True)
    exported = reprise.call("users", "export", user_id, "--output", str(tmp_path / "package.zip"))
    assert (exported.code, exported.err) == (0, "")


def test_they_can_be_erased_and_nothing_else_minds(broken: tuple[CommandLine, str], tmp_path: Path) -> None:
    reprise, user_id = broken

    assert reprise.call("audit", "search").code == 0
    assert reprise.call("audit", "checkpoint").code == 0
    assert reprise.call("backup", str(tmp_path / "backup")).code == 0
    erased = reprise.call("users", "erase", user_id, "--reason", "case 1", "--yes")
    assert (erased.code, erased.err) == (0, "")
    assert "case 1" in reprise.call("users", "erasure", user_id).out
    assert reprise.call("audit", "checkpoint").code == 0


def test_a_rebuild_that_fails_at_them_says_where_to_go_on(broken: tuple[CommandLine, str], database: str) -> None:
    reprise, _ = broken
    failed = reprise.call("projections", "rebuild", "user_directory")
    if failed.code == 0:  # models pass over what they do not know
        return

    assert "position 1" in failed.err
    assert "`reprise projections letters user_directory`" in failed.err
    verified = reprise.call("projections", "verify", "user_directory", "--all")
    assert (verified.code, "can no longer be folded" in verified.out) == (1, True)
    (letter,) = reprise.call("projections", "letters", "user_directory", "--json").json["items"]
    assert (letter["state"], letter["position"]) == ("blocking", 1)
    assert reprise.call("projections", "retry", letter["id"]).code == 1
    assert reprise.call("projections", "resolve", letter["id"], "--reason", "Lost").code == 0
    assert reprise.call("projections", "rebuild", "user_directory").code == 0
