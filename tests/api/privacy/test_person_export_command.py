"""`reprise users export`: one person's data in a file, with or without anything else running."""

import json
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.cli import CommandLine
from tests.support.cli_people import file_of, line, person


@pytest.fixture
def reprise(database: str, home: Path, tmp_path: Path) -> CommandLine:
    reprise = CommandLine(home, database)
    people = tmp_path / "people.jsonl"
    people.write_bytes(file_of(line(person("ann")), line(person("bob"))))
    reprise.call("import", str(people))
    return reprise


def test_a_person_s_data_is_written_to_a_file_for_its_owner_only(reprise: CommandLine, tmp_path: Path) -> None:
    output = tmp_path / "ann.zip"

    ended = reprise.call("users", "export", "ann@example.com", "--output", str(output))

    with ZipFile(output) as package:
        profile, timeline = (json.loads(package.read(name)) for name in ("profile.json", "timeline.json"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"Everything about {profile['id']} as of position 5 is in {output}.\n"
    assert profile["email"] == "ann@example.com"
    assert [fact["topic"] for fact in timeline][-1] == "data_export.requested"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "ann.zip" in path.name] == ["ann.zip"]


def test_a_file_that_is_there_is_not_written_over(reprise: CommandLine, tmp_path: Path) -> None:
    output = tmp_path / "ann.zip"
    output.write_text("something else")

    ended = reprise.call("users", "export", "ann@example.com", "--output", str(output))

    assert (ended.code, ended.err) == (1, f"reprise: {output} already exists.\n")
    assert output.read_text() == "something else"


def test_nobody_s_data_is_not_written(reprise: CommandLine, tmp_path: Path) -> None:
    output = tmp_path / "eve.zip"

    ended = reprise.call("users", "export", "eve@example.com", "--output", str(output), "--json")

    assert (ended.code, ended.json["error"]["code"]) == (1, "not_found")
    assert not output.exists()
