"""A read model as it was: exactly what a replay that is cut there comes to, in a file of any form."""

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyarrow import parquet  # type: ignore[import-untyped] # it has no types

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from application.statistics.user_statistics import USER_STATISTICS
from application.users.directory import USER_DIRECTORY
from infrastructure.files import row_files
from infrastructure.files.row_files import FileFormError, write_rows
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.rebuild import parts as sizes
from infrastructure.projections.rebuild.as_of import PositionNotInLogError, counts_as_of, position_at, rows_as_of
from tests.support.cli import CommandLine
from tests.support.read_models import head_of, replayed_rows
from tests.support.running import projector


def as_tuples(rows: list[Any]) -> list[Any]:
    return sorted(msgspec.structs.astuple(row) for row in rows)


@pytest.mark.parametrize("model", READ_MODELS.values(), ids=lambda model: model.name)
def test_a_model_as_of_any_position_equals_a_replay_cut_there(
    history: str, model: Projection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "EVENTS_PER_PART", 100)  # so that there are several parts
    monkeypatch.setattr(sizes, "EVENTS_PER_RANGE", 100)
    positions = [0, head_of(history), *random.Random(4).sample(range(1, head_of(history)), 20)]

    for position in positions:
        found = list(rows_as_of(as_projector(history), model, position))
        assert as_tuples(found) == replayed_rows(history, model, position), position


def test_the_live_model_is_neither_needed_nor_made(history: str) -> None:
    assert list(rows_as_of(as_projector(history), USER_DIRECTORY, 10))

    with projector(history) as connection:
        assert connection.execute("SELECT count(*) FROM projection.generation").fetchone() == (0,)


def test_a_position_that_the_log_has_not_is_refused(history: str) -> None:
    for position in (-1, head_of(history) + 1):
        with pytest.raises(PositionNotInLogError):
            list(rows_as_of(as_projector(history), USER_DIRECTORY, position))


def test_an_instant_means_the_last_fact_recorded_by_then(history: str) -> None:
    with projector(history) as connection:
        recorded = connection.execute('SELECT "position", recorded_at FROM log.event ORDER BY "position"').fetchall()
        for position, instant in recorded[::17]:
            last = max(p for p, at in recorded if at == instant)
            assert position_at(connection, instant) == last >= position
            assert position_at(connection, instant - timedelta(microseconds=1)) < position
        assert position_at(connection, datetime(2000, 1, 1, tzinfo=UTC)) == 0
        assert position_at(connection, datetime(2999, 1, 1, tzinfo=UTC)) == recorded[-1][0]


def test_files_hold_every_row_in_the_form_of_their_name(history: str, tmp_path: Path) -> None:
    rows = list(rows_as_of(as_projector(history), USER_DIRECTORY, head_of(history)))

    assert write_rows(tmp_path / "d.csv", USER_DIRECTORY.row, rows) == 60
    assert write_rows(tmp_path / "d.jsonl", USER_DIRECTORY.row, rows) == 60

    with (tmp_path / "d.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert [row["user_id"] for row in table] == [line["user_id"] for line in lines] == [str(r.user_id) for r in rows]
    assert (table[0]["email_verified"], table[0]["locale"]) == ("false", "")
    assert [msgspec.convert(line, USER_DIRECTORY.row) for line in lines] == rows
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.*")} == {
        "d.csv": 0o600,
        "d.jsonl": 0o600,
    }


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    def rows() -> Any:
        yield from ()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_rows(tmp_path / "d.csv", USER_DIRECTORY.row, rows())

    assert list(tmp_path.iterdir()) == []


def test_a_form_that_cannot_be_written_is_refused_with_what_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    with pytest.raises(FileFormError, match=r"\.csv, \.jsonl, \.parquet"):
        write_rows(tmp_path / "d.xlsx", USER_DIRECTORY.row, [])
    monkeypatch.setattr(row_files, "import_module", missing)
    with pytest.raises(FileFormError, match="needs the package pyarrow"):
        write_rows(tmp_path / "d.parquet", USER_DIRECTORY.row, [])
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_written_where_pyarrow_is_installed(history: str, tmp_path: Path) -> None:
    rows = list(rows_as_of(as_projector(history), USER_DIRECTORY, head_of(history)))

    write_rows(tmp_path / "d.parquet", USER_DIRECTORY.row, rows)

    read = parquet.read_table(tmp_path / "d.parquet").to_pylist()
    assert [row["user_id"] for row in read] == [str(row.user_id) for row in rows]
    assert [row["created_at"] for row in read] == [row.created_at for row in rows]


def test_the_command_writes_the_file_and_says_what_is_in_it(history: str, home: Path, tmp_path: Path) -> None:
    reprise = CommandLine(home, history)
    file = tmp_path / "then.jsonl"

    done = reprise.call("projections", "as-of", "user_directory", "--position", "30", "--output", str(file), "--json")
    both = reprise.call("projections", "as-of", "user_directory", "--output", str(file))
    early = reprise.call("projections", "as-of", "user_directory", "--at", "2000-01-01", "--output", str(file))
    beyond = reprise.call("projections", "as-of", "user_directory", "--position", "99999", "--output", str(file))

    assert done.code == 0, done.err
    assert done.json["rows"] == len(replayed_rows(history, USER_DIRECTORY, 30)) > 0
    assert (both.code, both.err) == (2, "reprise: Use either --at or --position.\n")
    assert early.out == f"0 rows of user_directory as of position 0 are in {file}.\n"
    assert (beyond.code, beyond.err) == (1, "reprise: The log does not reach that position.\n")


def test_counts_are_written_in_any_form_by_their_names(history: str, home: Path, tmp_path: Path) -> None:
    reprise = CommandLine(home, history)
    where = ("--position", str(head_of(history)), "--counts")

    lines = reprise.call("projections", "as-of", "user_statistics", *where, "--output", str(tmp_path / "c.jsonl"))
    table = reprise.call("projections", "as-of", "user_statistics", *where, "--output", str(tmp_path / "c.csv"))
    none = reprise.call("projections", "as-of", "user_directory", *where, "--output", str(tmp_path / "d.csv"))

    counts = list(counts_as_of(as_projector(history), USER_STATISTICS, head_of(history)))
    written = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert (lines.code, table.code) == (0, 0)
    assert (
        lines.out
        == f"{len(counts)} counts of user_statistics as of position {head_of(history)} are in {tmp_path / 'c.jsonl'}.\n"
    )
    assert written == [msgspec.to_builtins(msgspec.structs.asdict(count)) for count in counts]
    with (tmp_path / "c.csv").open(newline="") as file:
        assert [row["count"] for row in csv.DictReader(file)] == [str(count.count) for count in counts]
    assert (none.code, none.err) == (1, "reprise: user_directory has no counts, only rows.\n")
