"""`reprise statistics`: the figures that HTTP tells, for people and for programs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.cli import CommandLine
from tests.support.counted_people import lively

TO = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()  # The test may go on past midnight.


@pytest.fixture
def reprise(own_api: Api) -> CommandLine:
    lively(own_api)
    return CommandLine(own_api.settings.home, own_api.conninfo)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("users", {"to": TO}),
        ("users", {"from": "2026-01-01", "to": "2026-03-01", "country": "NO"}),
        ("countries", {"day": TO}),
        ("consents", {"purpose": "ads", "to": TO, "country": "SE"}),
        ("purposes", {"day": TO}),
        ("purposes", {"day": TO, "country": "NO"}),
    ],
)
def test_programs_get_what_http_tells(
    reprise: CommandLine, own_api: Api, command: str, options: dict[str, str]
) -> None:
    told = reprise.call("statistics", command, *arguments(options), "--json")

    answer = own_api.admin.get(f"/v1/statistics/{command}", params=options)
    assert (answer.status_code, told.code, told.err) == (200, 0, "")
    assert told.json == {"items": answer.json()["items"], "position": int(answer.headers["log-position"])}
    assert told.json["position"] == own_api.head()


def arguments(options: dict[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def test_people_get_a_table_with_what_is_told_apart_first(reprise: CommandLine, own_api: Api) -> None:
    told = reprise.call("statistics", "countries", "--day", TO)

    heading, *rows, position = (line.split() for line in told.out.splitlines())
    assert heading == ["country", "active", "registered", "deletion", "requested", "deletion", "withdrawn", "erased"]
    assert [row[:2] for row in rows] == [["NO", "2"], ["SE", "1"]]
    assert " ".join(position) == f"As of position {own_api.head()}."


def test_who_came_while_no_worker_ran_is_counted(reprise: CommandLine, own_api: Api) -> None:
    own_api.register(country="FI")

    countries = reprise.call("statistics", "countries", "--day", TO, "--json").json["items"]

    assert [(item["country"], item["active"]) for item in countries] == [("NO", 2), ("FI", 1), ("SE", 1)]


def test_a_month_is_told_if_nothing_else_is_said(reprise: CommandLine) -> None:
    assert len(reprise.call("statistics", "users", "--json").json["items"]) == 30


@pytest.mark.parametrize(
    ("wrong", "code", "complaint"),
    [
        (["users", "--from", "yesterday"], 2, "A day must look like 2026-01-31."),
        (["users", "--to", "0001-01-01"], 2, "A day must look like 2026-01-31."),
        (["users", "--from", "2026-02-02", "--to", "2026-02-01"], 2, "The span must be 1 to 366 days."),
        (["users", "--from", "2024-01-01", "--to", "2025-01-01"], 2, "The span must be 1 to 366 days."),
        (["countries", "--country", "SE"], 2, "--country"),
        (["consents"], 2, "--purpose"),
        (["users", "--country", "sweden"], 1, "ISO 3166-1"),
        (["consents", "--purpose", "Ads!"], 1, "purpose"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_makes_no_sense_is_refused_in_one_line(home: Path, wrong: list[str], code: int, complaint: str) -> None:
    told = CommandLine(home).call("statistics", *wrong)

    assert (told.code, told.out, told.err.count("\n")) == (code, "", 1)
    assert complaint in told.err
