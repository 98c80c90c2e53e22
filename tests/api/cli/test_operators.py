"""Who uses the command line goes on record as the operating system knows them, whatever variables say."""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.cli import CHECKOUT, CommandLine
from tests.support.cli_people import file_of, line, person

VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER", "SUDO_UID", "MAIL", "HOME")
WHO = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def reprise(home: Path, database: str) -> CommandLine:
    """The command line of somebody who says that they are somebody else."""
    reprise = CommandLine(home, database, variables=tuple((name, "somebody.else") for name in VARIABLES))
    home.mkdir()
    (home / "people.jsonl").write_bytes(file_of(line(person("ann"))))
    assert reprise.call("import", str(home / "people.jsonl")).code == 0
    return reprise


def acted_for(database: str) -> dict[str, set[Any]]:
    """For whom the command line has acted, by topic."""
    found: dict[str, set[Any]] = {}
    with psycopg.connect(database) as connection:
        for topic, name in connection.execute("SELECT topic, on_behalf_of FROM log.event WHERE actor LIKE '%:cli'"):
            found.setdefault(topic, set()).add(name)
    return found


def test_variables_cannot_make_somebody_else_of_who_reads(reprise: CommandLine) -> None:
    commands = [
        ("users", "show", "ann@example.com"),
        ("audit", "history", "ann@example.com"),
        ("audit", "diff", "ann@example.com"),
        ("audit", "search"),
    ]

    assert [reprise.call(*command).code for command in commands] == [0] * len(commands)

    told = reprise.call("audit", "accesses", "--all", "--json").json["items"]
    assert len(told) == len(commands)
    assert {(item["actor"], item["onBehalfOf"]) for item in told} == {("system:cli", WHO)}


def test_variables_cannot_make_somebody_else_of_who_acts(reprise: CommandLine, database: str, tmp_path: Path) -> None:
    exported = reprise.call("users", "export", "ann@example.com", "--output", str(tmp_path / "ann.zip"))
    erased = reprise.call("users", "erase", "ann@example.com", "--reason", "She asked", "--yes")

    assert (exported.code, erased.code) == (0, 0)
    told = acted_for(database)
    assert {"user.erased", "data_export.requested"} <= set(told)
    assert set().union(*told.values()) == {WHO}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who has no account")
def test_who_has_no_account_goes_on_record_by_their_number() -> None:
    script = "import os; from api.cli.operators import operator; os.setuid(54_321); print(operator().on_behalf_of)"

    told = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(CHECKOUT), "LOGNAME": "root"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "54321"
