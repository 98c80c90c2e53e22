"""`reprise import`, as a process: its account, its exit codes, and that no way to end it loses or doubles anybody."""

import gzip
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import CHECKOUT, CommandLine, head_of
from tests.support.cli_people import crowd, file_of, line, person, refused_lines
from tests.support.waiting import eventually

EXAMPLE = CHECKOUT / "examples" / "people.jsonl"
EXAMPLE_ACCOUNT = {"lines": 60, "accepted": 53, "duplicates": 1, "invalid": 6}
PEOPLE = 3_000
HANDED_OUT = CHECKOUT.parent / "shared" / "data" / "people.jsonl"


@pytest.fixture
def reprise(database: str, home: Path) -> CommandLine:
    return CommandLine(home, database)


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    path = tmp_path / "people.jsonl"
    path.write_bytes(file_of(*crowd(PEOPLE), *crowd(20)))
    return path


def expected_account(file: Path) -> dict[str, int]:
    if file == EXAMPLE:
        return EXAMPLE_ACCOUNT
    given = json.loads(file.with_name("people.expected.json").read_bytes())
    return {"duplicates": given["duplicate"], **{name: given[name] for name in ("lines", "accepted", "invalid")}}


@pytest.mark.parametrize(
    "file", [EXAMPLE, HANDED_OUT if HANDED_OUT.exists() else EXAMPLE], ids=["example", "handed-out"]
)
def test_a_file_comes_to_what_it_should_and_again_when_it_is_imported_again(reprise: CommandLine, file: Path) -> None:
    first = reprise.call("import", str(file), "--json")
    again = reprise.call("import", str(file), "--json")

    assert (first.code, again.code) == (0, 0)
    account = expected_account(file)
    assert {name: first.json[name] for name in account} == account
    assert again.json == {**first.json, "imported": 0, "alreadyImported": first.json["accepted"]}
    assert len(first.json["refused"]) == account["duplicates"] + account["invalid"]


def test_a_killed_import_is_completed_by_the_next(reprise: CommandLine, database: str, big_file: Path) -> None:
    with reprise.started("import", str(big_file)) as killed:
        eventually(lambda: head_of(database), "the first people")
        killed.kill()
        killed.wait()

    completed = reprise.call("import", str(big_file), "--json").json

    assert (completed["accepted"], completed["duplicates"]) == (PEOPLE, 20)
    assert 0 < completed["alreadyImported"] < PEOPLE
    assert reprise.call("log", "status", "--topics", "--json").json["topics"]["user.registered"] == PEOPLE


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_import_that_is_stopped_says_how_far_it_came(
    reprise: CommandLine, database: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    endless = tmp_path / "people.jsonl"
    os.mkfifo(endless)

    with reprise.started("import", str(endless), "--json") as stopped, endless.open("wb") as people:
        people.write(file_of(*crowd(2 * PEOPLE)))
        people.flush()
        eventually(lambda: head_of(database) > PEOPLE, "enough people for some lines to be told of")
        stopped.send_signal(number)
        out, err = stopped.communicate()

    account = json.loads(out)
    assert (stopped.returncode, account["error"]["code"]) == (code, "interrupted")
    assert 0 < account["lines"] <= 2 * PEOPLE
    assert err == ""


def test_two_imports_of_one_file_at_once_import_everybody_once(reprise: CommandLine, big_file: Path) -> None:
    with (
        reprise.started("import", str(big_file), "--json") as one,
        reprise.started("import", str(big_file), "--json") as other,
    ):
        accounts: list[dict[str, Any]] = [json.loads(process.communicate()[0]) for process in (one, other)]

    assert [(account["accepted"], account["duplicates"]) for account in accounts] == [(PEOPLE, 20)] * 2
    assert sum(account["imported"] for account in accounts) == PEOPLE


def test_a_trial_records_nothing(reprise: CommandLine, database: str) -> None:
    tried = reprise.call("import", str(EXAMPLE), "--dry-run", "--json")

    assert (tried.json["dryRun"], tried.json["imported"]) == (True, EXAMPLE_ACCOUNT["accepted"])
    assert head_of(database) == 0


def test_people_may_come_from_standard_input(reprise: CommandLine) -> None:
    imported = reprise.run(
        "import", "-", "--json", stdin=b"\xef\xbb\xbf" + line(person("ann")) + b"\r\n\r\n" + line(person("bob"))
    )

    assert (imported.json["imported"], imported.json["blank"]) == (2, 1)


def test_each_refused_line_is_told_of_with_its_number_its_code_and_its_field(
    reprise: CommandLine, tmp_path: Path
) -> None:
    refused = refused_lines()
    file = tmp_path / "refused.jsonl"
    file.write_bytes(file_of(*(line.content for line in refused)))

    told = reprise.call("import", str(file), "--json").json

    assert [(line["line"], line["code"], line["field"]) for line in told["refused"]] == [
        (number, line.code, line.field) for number, line in enumerate(refused, start=1)
    ]
    assert told["refusedByCode"] == Counter(line.code for line in refused)


def test_people_read_the_account_too(reprise: CommandLine) -> None:
    told = reprise.call("import", str(EXAMPLE)).out.splitlines()

    assert "line 33: email_invalid (email): This is not a valid email address." in told
    assert told[-4:] == [
        "  accepted    53: 53 imported now, 0 before",
        "  duplicates  1",
        "  erased      0",
        "  invalid     6",
    ]


def test_it_fails_if_nothing_at_all_was_accepted(reprise: CommandLine) -> None:
    assert reprise.call("import", str(CHECKOUT / "pyproject.toml")).code == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf\r\n"])
def test_it_fails_over_a_file_with_nobody_in_it(reprise: CommandLine, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "empty.jsonl").write_bytes(content)

    ended = reprise.call("import", str(tmp_path / "empty.jsonl"), "--json")

    assert (ended.code, ended.json["lines"]) == (1, 0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (gzip.compress(b"{}", mtime=0), "compressed with gzip"),
        (b"PK\x03\x04", "ZIP archive"),
        ("{}".encode("utf-16"), "UTF-16"),
        ("{}".encode("utf-16-be"), "UTF-16"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        ("{}".encode("utf-32"), "UTF-32"),
    ],
)
def test_what_is_no_text_in_utf_8_is_named(
    reprise: CommandLine, tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "people").write_bytes(content)

    ended = reprise.run("import", str(tmp_path / "people"), "--json")

    assert (ended.code, ended.json["error"]["code"]) == (1, "not_json_lines")
    assert complaint in ended.json["error"]["message"]


def test_it_fails_over_a_single_refused_line_if_it_is_told_to_be_strict(reprise: CommandLine) -> None:
    assert reprise.call("import", str(EXAMPLE), "--strict").code == 1


@pytest.mark.parametrize(
    ("file", "complaint"),
    [("no-such-file", "reprise: no-such-file: No such file or directory"), ("/", "reprise: /: Is a directory")],
)
def test_what_is_no_file_is_told_in_one_line(reprise: CommandLine, file: str, complaint: str) -> None:
    failed = reprise.call("import", file)

    assert (failed.code, failed.out, failed.err) == (1, "", complaint + "\n")


def test_a_reader_that_goes_away_is_no_reason_to_complain(reprise: CommandLine) -> None:
    with reprise.started("import", str(EXAMPLE)) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait() == 128 + signal.SIGPIPE
