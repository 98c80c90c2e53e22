"""`reprise backup` and `reprise restore`, as their users have them."""

from pathlib import Path

import pytest

from tests.support.cli import CommandLine
from tests.support.cli_people import file_of, line, person


@pytest.fixture
def reprise(database: str, home: Path) -> CommandLine:
    return CommandLine(home, database)


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.jsonl"
    path.write_bytes(file_of(line(person("ann")), line(person("bob"))))
    return str(path)


def test_a_backup_is_restored_elsewhere_with_its_keys(
    reprise: CommandLine, people: str, tmp_path: Path, empty_database: str
) -> None:
    reprise.call("import", people)
    log, keys = str(tmp_path / "log"), str(tmp_path / "keys")
    elsewhere = CommandLine(tmp_path / "elsewhere", empty_database)

    taken = reprise.call("backup", log, "--keys", keys)
    restored = elsewhere.call("restore", log, "--keys", keys, "--json")

    assert (taken.code, taken.out) == (0, f"Backed up: 4 events in {log}, keys in {keys}.\n")
    assert restored.json["position"] == 4
    assert elsewhere.call("users", "show", "ann@example.com", "--json").json["user"]["email"] == "ann@example.com"
    assert elsewhere.call("audit", "verify").code == 0
    assert elsewhere.call("import", people, "--json").json["alreadyImported"] == 2


def test_what_cannot_be_restored_is_told_in_one_line(reprise: CommandLine, people: str, tmp_path: Path) -> None:
    reprise.call("import", people)
    log = str(tmp_path / "log")

    taken, again = reprise.call("backup", log), reprise.call("backup", log)
    onto_itself, nothing = reprise.call("restore", log), reprise.call("restore", str(tmp_path / "nothing"))

    assert taken.out == f"Backed up: 4 events in {log}, without keys.\n"
    assert (again.code, again.err) == (1, f"reprise: {log}: File exists\n")
    assert onto_itself.code == nothing.code == 1
    assert "in use already" in onto_itself.err
    assert "not a (complete) backup" in nothing.err
    assert [ended.err.count("\n") for ended in (onto_itself, nothing)] == [1, 1]
