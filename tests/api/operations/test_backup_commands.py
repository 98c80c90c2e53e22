"""`reprise backup` and `reprise restore`, as their users have them."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.privacy.erasure_receipts import receipts_path
from tests.support.cli import CommandLine
from tests.support.cli_people import file_of, line, person
from tests.support.cli_run import running
from tests.support.deployments import deployment


@pytest.fixture
def reprise(database: str, home: Path) -> CommandLine:
    return CommandLine(home, database)


@pytest.fixture
def elsewhere(server: EmbeddedPostgres, template: str, tmp_path: Path) -> Iterator[CommandLine]:
    """Another deployment on the same server."""
    assert template  # Without it, this would be the first database of its server.
    with deployment(server.conninfo("postgres"), f"other_{uuid.uuid4().hex}", tmp_path / "elsewhere") as other:
        yield other.reprise


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.jsonl"
    path.write_bytes(file_of(line(person("ann")), line(person("bob"))))
    return str(path)


def test_a_backup_is_restored_elsewhere_with_its_keys(
    reprise: CommandLine, elsewhere: CommandLine, people: str, tmp_path: Path
) -> None:
    reprise.call("import", people)
    log, keys = str(tmp_path / "log"), str(tmp_path / "keys")

    taken = reprise.call("backup", log, "--keys", keys)
    restored = elsewhere.call("restore", log, "--keys", keys, "--without-receipts", "--json")

    assert (taken.code, taken.out) == (0, f"Backed up: 4 events in {log}, keys in {keys}.\n")
    assert (restored.json["position"], restored.json["erasedAgain"]) == (4, 0)
    assert elsewhere.call("users", "show", "ann@example.com", "--json").json["user"]["email"] == "ann@example.com"
    assert elsewhere.call("audit", "verify").code == 0
    assert elsewhere.call("import", people, "--json").json["alreadyImported"] == 2


def test_a_folder_may_have_any_name(reprise: CommandLine, people: str, tmp_path: Path) -> None:
    reprise.call("import", people)
    folder = tmp_path / "log {of} {0}"

    taken = reprise.call("backup", str(folder))

    assert (taken.code, taken.out) == (0, f"Backed up: 4 events in {folder}, without keys.\n")


def test_whoever_was_erased_after_the_backup_is_erased_again(
    reprise: CommandLine, elsewhere: CommandLine, people: str, tmp_path: Path
) -> None:
    reprise.call("import", people)
    log, keys = str(tmp_path / "log"), str(tmp_path / "keys")
    reprise.call("backup", log, "--keys", keys)
    ann = reprise.call("users", "show", "ann@example.com", "--json").json["user"]["id"]
    reprise.call("users", "erase", ann, "--reason", "Case 17", "--yes")
    receipts = tmp_path / "receipts.jsonl"

    written = reprise.call("privacy", "receipts", "--output", str(receipts))
    restored = elsewhere.call("restore", log, "--keys", keys, "--receipts", str(receipts))

    assert written.out == f"Receipts of erasures in {receipts}: 1.\n"
    assert restored.out.endswith(" Erased again, according to the receipts: 1.\n")
    assert elsewhere.call("users", "show", "ann@example.com").code == 1
    assert elsewhere.call("users", "show", "bob@example.com").code == 0


def test_a_start_erases_again_whom_a_backup_brought_back_by_other_means(
    reprise: CommandLine, elsewhere: CommandLine, people: str, tmp_path: Path
) -> None:
    reprise.call("import", people)
    log, keys = str(tmp_path / "log"), str(tmp_path / "keys")
    reprise.call("backup", log, "--keys", keys)
    ann = reprise.call("users", "show", "ann@example.com", "--json").json["user"]["id"]
    reprise.call("users", "erase", ann, "--reason", "Case 17", "--yes")
    elsewhere.call("restore", log, "--keys", keys, "--without-receipts")
    reprise.call("privacy", "receipts", "--output", str(receipts_path(elsewhere.home)))

    with running(elsewhere) as run:
        answer = run.get(f"/v1/users/{ann}")

    assert (answer.status_code, answer.json()["code"]) == (410, "user_is_erased")


def test_without_receipts_nothing_is_restored_unless_it_is_said(
    reprise: CommandLine, elsewhere: CommandLine, people: str, tmp_path: Path
) -> None:
    reprise.call("import", people)
    log, keys = str(tmp_path / "log"), str(tmp_path / "keys")
    reprise.call("backup", log, "--keys", keys)

    without_receipts = elsewhere.call("restore", log, "--keys", keys, "--json")
    without_keys = elsewhere.call("restore", log, "--json")

    assert (without_receipts.code, without_receipts.json["error"]["code"]) == (1, "receipts_missing")
    assert (without_keys.code, without_keys.json["error"]["code"]) == (2, "usage")
    receipts_path(elsewhere.home).parent.mkdir(parents=True)
    receipts_path(elsewhere.home).write_text("not a receipt\n")
    assert elsewhere.call("restore", log, "--keys", keys, "--json").json["error"]["code"] == "receipts_damaged"
    shutil.rmtree(receipts_path(elsewhere.home).parent)
    assert elsewhere.call("restore", log, "--keys", keys, "--without-receipts").code == 0


def test_what_cannot_be_restored_is_told_in_one_line(reprise: CommandLine, people: str, tmp_path: Path) -> None:
    reprise.call("import", people)
    log = str(tmp_path / "log")

    taken, again = reprise.call("backup", log), reprise.call("backup", log)
    onto_itself = reprise.call("restore", log, "--without-keys")
    nothing = reprise.call("restore", str(tmp_path / "nothing"), "--without-keys")

    assert taken.out == f"Backed up: 4 events in {log}, without keys.\n"
    assert (again.code, again.err) == (1, f"reprise: {log}: File exists\n")
    assert onto_itself.code == nothing.code == 1
    assert "already in use" in onto_itself.err
    assert "is not a backup, or an incomplete one" in nothing.err
    assert [ended.err.count("\n") for ended in (onto_itself, nothing)] == [1, 1]
