"""Exports of the audit search: everything, in a form that other programs read."""

import csv
import json
from pathlib import Path

import psycopg
import pytest

from tests.support.cli import CommandLine, head_of
from tests.support.cli_people import crowd, file_of

NAMES = [
    *("position", "userId", "streamId", "version", "topic", "recordedAt"),
    *("actor", "onBehalfOf", "client", "reason", "commandId", "correlationId"),
]


@pytest.fixture
def reprise(home: Path, database: str, tmp_path: Path) -> CommandLine:
    """A log with more facts than fit on a page, one of them with a reason that looks like a formula."""
    command_line, people = CommandLine(home, database), tmp_path / "people.jsonl"
    people.write_bytes(file_of(*crowd(150)))
    assert command_line.call("import", str(people)).code == 0
    with psycopg.connect(database, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("""UPDATE log.event SET reason = '=1+1, "quoted"' WHERE position = 7""")
    return command_line


def exported(reprise: CommandLine, path: Path, *arguments: str) -> str:
    ended = reprise.call("audit", "search", "--output", str(path), *arguments)
    assert (ended.code, ended.err) == (0, "")
    return path.read_text(encoding="utf-8")


def test_all_facts_are_exported_in_every_form(reprise: CommandLine, database: str, tmp_path: Path) -> None:
    head = head_of(database)
    assert head > 300

    lines = exported(reprise, tmp_path / "lines", "--format", "jsonl").splitlines()
    table = exported(reprise, tmp_path / "table", "--format", "csv")
    events = json.loads(exported(reprise, tmp_path / "clouds", "--format", "cloudevents"))

    facts = [json.loads(line) for line in lines]
    assert [fact["position"] for fact in facts] == list(range(1, head + 1))
    assert list(facts[0]) == NAMES
    rows = list(csv.reader(table.splitlines()))
    assert rows[0] == NAMES
    assert [row[0] for row in rows[1:]] == [str(fact["position"]) for fact in facts]
    assert rows[7][9] == """'=1+1, "quoted\""""
    assert facts[6]["reason"] == '=1+1, "quoted"'
    assert [event["data"] for event in events] == facts
    assert {
        (event["specversion"], event["id"], event["type"], event["subject"], event["time"]) for event in events[:1]
    } == {("1.0", "1", facts[0]["topic"], facts[0]["userId"], facts[0]["recordedAt"])}
    assert all(event["source"] and event["datacontenttype"] == "application/json" for event in events)


def test_filters_hold_for_exports_too(reprise: CommandLine, tmp_path: Path) -> None:
    lines = exported(reprise, tmp_path / "lines", "--topic", "user.registered").splitlines()

    assert len(lines) == 150


def test_an_export_that_fails_leaves_nothing_behind(reprise: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)

    ended = reprise.call("audit", "search", "--output", str(tmp_path / "folder"))

    assert ended.code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "home", "people.jsonl"]
