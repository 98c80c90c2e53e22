"""The command line: what each command tells people and programs, and how it says that it cannot."""

import json
import os
import pwd
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cyclopts import App

from api.cli import COMMANDS, command_line
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from tests.support.cli import CommandLine, head_of, new_database
from tests.support.cli_people import consent, file_of, line, person

PEOPLE = file_of(
    line(person("ann", externalId="crm-1", consents=[consent("marketing")], birthDate="1990-01-31", locale="sv-SE")),
    line(person("bob", country="DE")),
)


@pytest.fixture(scope="module")
def reprise(server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line on a log with two people, for tests that leave the log as it is."""
    with new_database(server, template) as database:
        yield with_two_people(CommandLine(tmp_path_factory.mktemp("cli") / "home", database))


@pytest.fixture
def own(database: str, home: Path) -> CommandLine:
    """The same, for a test that does what it likes with the log."""
    return with_two_people(CommandLine(home, database))


@pytest.fixture
def nowhere(tmp_path: Path) -> CommandLine:
    """The command line where there is no database yet."""
    return CommandLine(tmp_path / "nowhere")


def with_two_people(reprise: CommandLine) -> CommandLine:
    reprise.home.mkdir()
    file = reprise.home / "people.jsonl"
    file.write_bytes(PEOPLE)
    assert reprise.call("import", str(file)).code == 0
    return reprise


def complaint(reprise: CommandLine, *arguments: str) -> tuple[int, str]:
    """How a command fails: its exit code, and the one line it tells people, which is all it tells."""
    ended = reprise.call(*arguments)
    assert ended.out == ""
    assert ended.err.startswith("reprise: ")
    assert ended.err.count("\n") == 1
    return ended.code, ended.err.removeprefix("reprise: ").removesuffix("\n")


def commands(app: App, *path: str) -> list[list[str]]:
    """Every command there is, also those of groups."""
    names = [name for name in app if not name.startswith("-")]
    return [list(path)] + [found for name in names for found in commands(app[name], *path, name)]


EVERY_COMMAND = commands(command_line(list(COMMANDS)))
LEAVES = [path for path in EVERY_COMMAND if not any(other[:-1] == path for other in EVERY_COMMAND if other)]
"""The commands that are not groups of others."""


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_has_its_help(path: Sequence[str], nowhere: CommandLine) -> None:
    told = nowhere.call(*path, "--help")

    assert told.code == 0
    assert told.out.startswith(f"Usage: {' '.join(['reprise', *path])}")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_of_each_what_its_own_help_says(name: str) -> None:
    _, summary = COMMANDS[name]

    assert command_line([name])[name].help.splitlines()[0] == summary


@pytest.mark.parametrize("path", [path for path in LEAVES if len(path) > 1], ids=" ".join)
def test_a_group_says_of_each_of_its_commands_what_it_does(path: Sequence[str], nowhere: CommandLine) -> None:
    *group, name = path

    assert re.search(rf"^\W*{name} +[A-Z]", nowhere.call(*group, "--help").out, re.MULTILINE)


def test_the_version_comes_with_the_build(nowhere: CommandLine) -> None:
    built = CommandLine(nowhere.home, variables=(("REPRISE_BUILD", "c2eaace"),))

    assert built.call("--version").out == f"{version('reprise')} (build c2eaace)\n"


def test_a_build_that_is_no_name_is_refused(nowhere: CommandLine) -> None:
    misled = CommandLine(nowhere.home, variables=(("REPRISE_BUILD", "a b"),))

    assert complaint(misled, "--version")[0] == 1
    assert complaint(misled, "--version")[1].startswith("REPRISE_BUILD must be")


def test_without_a_command_it_tells_which_there_are(nowhere: CommandLine) -> None:
    told = nowhere.call().out

    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "PEOPLE", "--json"],
        ["import", "PEOPLE", "--dry-run", "--json"],
        ["users", "show", "ann@example.com", "--json"],
        ["audit", "history", "ann@example.com", "--json"],
        ["audit", "search", "--json"],
        ["audit", "search", "--all", "--json"],
        ["statistics", "users", "--json"],
        ["statistics", "consents", "--purpose", "marketing", "--json"],
        ["projections", "list", "--json"],
        ["projections", "rebuild", "user_timeline", "--json"],
        ["log", "status", "--json"],
        ["log", "status", "--topics", "--json"],
        ["migrate", "--json"],
        ["token", "--role", "auditor", "--json"],
    ],
    ids=" ".join,
)
def test_programs_get_json_and_people_something_else(arguments: list[str], reprise: CommandLine) -> None:
    arguments = [str(reprise.home / "people.jsonl") if argument == "PEOPLE" else argument for argument in arguments]

    for_programs = reprise.call(*arguments)
    for_people = reprise.call(*arguments[:-1])

    assert (for_programs.code, for_people.code) == (0, 0)
    assert isinstance(for_programs.json, dict)
    assert for_people.out.strip()
    with pytest.raises(json.JSONDecodeError):
        json.loads(for_people.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["import"],
        ["import", "a", "b"],
        ["serve", "--port", "65536"],
        ["users", "show"],
        ["users", "show", "ann@example.com", "--version", "1", "--position", "1"],
        ["users", "show", "ann@example.com", "--at", "yesterday"],
        ["audit", "search", "--user", "ann"],
        ["audit", "search", "--limit", "0"],
        ["token"],
        ["token", "--role", "system"],
        ["token", "--role", "user"],
        ["token", "--role", "admin", "--ttl", "-1"],
        ["log", "status", "--verbose"],
    ],
    ids=" ".join,
)
def test_a_call_that_makes_no_sense_is_told_in_one_line_and_has_exit_code_2(
    arguments: list[str], nowhere: CommandLine
) -> None:
    code, told = complaint(nowhere, *arguments)
    for_programs = nowhere.call(*arguments, "--json")

    assert code == 2
    assert told
    assert (for_programs.code, for_programs.err) == (2, "")
    assert for_programs.json["error"]["code"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["users", "show", "ann@example.com"],
        ["audit", "history", "ann@example.com"],
        ["audit", "search"],
        ["projections", "list"],
        ["projections", "rebuild", "user_directory"],
        ["log", "status"],
    ],
    ids=" ".join,
)
def test_what_only_reads_makes_no_database(arguments: list[str], nowhere: CommandLine) -> None:
    code, told = complaint(nowhere, *arguments)

    assert (code, told.startswith(f"There is no database in {nowhere.home} yet.")) == (1, True)
    assert not nowhere.home.exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ann:secret@127.0.0.1:1/x", "REPRISE_DATABASE_URL cannot be reached: "),
        ("ann:secret", "REPRISE_DATABASE_URL is not a valid PostgreSQL connection string."),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    url: str, told: str, nowhere: CommandLine
) -> None:
    code, sentence = complaint(CommandLine(nowhere.home, url), "log", "status")

    assert (code, sentence.startswith(told)) == (1, True)
    assert "secret" not in sentence


def test_a_command_that_needs_more_than_the_login_it_is_given_says_what(database: str, home: Path) -> None:
    variables = (("REPRISE_DATABASE_URL", embedded_as(Login.API, database)),)
    reprise = CommandLine(home, None, variables)

    assert reprise.call("log", "status").code == 0
    code, told = complaint(reprise, "projections", "rebuild", "user_directory")
    assert (code, told.startswith("reprise_api is no member of reprise_projector, reprise_sealer, as the")) == (1, True)


def test_a_database_without_the_schema_says_how_to_get_it(empty_database: str, home: Path) -> None:
    reprise = CommandLine(home, empty_database)

    assert complaint(reprise, "log", "status")[1].endswith("run `reprise migrate`.")
    assert reprise.call("migrate", "--json").json["applied"][0] == "0001_log.sql"
    assert reprise.call("migrate").out == "The schema is up to date.\n"
    assert reprise.call("log", "status", "--json").json["head"] == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [("REPRISE_PORT", "many"), ("REPRISE_WAIT_SECONDS", "-1"), ("REPRISE_CLAIMS_KEY", "short")],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str, database: str, home: Path) -> None:
    reprise = CommandLine(home, database, ((variable, value),))

    code, told = complaint(reprise, "users", "show", "ann@example.com")

    assert (code, told.startswith(f"{variable} must be")) == (1, True)


def test_a_home_that_is_no_folder_is_told(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.touch()

    assert complaint(CommandLine(home), "migrate") == (1, f"{home / 'postgres'}: Not a directory")


def test_a_user_is_shown_by_address_and_by_id(reprise: CommandLine) -> None:
    shown = reprise.call("users", "show", "ANN@example.com", "--json").json

    assert shown == reprise.call("users", "show", shown["user"]["id"], "--json").json
    assert (shown["user"]["displayName"], shown["version"]) == ("Name of ann", 2)
    assert shown["user"]["consents"] == {"marketing": {"granted": True, "documentVersion": "2026-01"}}
    assert "Name of ann" in reprise.call("users", "show", "ann@example.com").out


@pytest.mark.parametrize(
    ("moment", "version"), [(["--version", "1"], 1), (["--position", "1"], 1), (["--position", "99"], 2)]
)
def test_a_user_is_shown_as_they_were(reprise: CommandLine, moment: list[str], version: int) -> None:
    shown = reprise.call("users", "show", "ann@example.com", *moment, "--json").json

    assert (shown["version"], len(shown["user"]["consents"])) == (version, version - 1)


def test_a_user_is_shown_as_of_an_instant(reprise: CommandLine) -> None:
    recorded_at = reprise.call("users", "show", "ann@example.com", "--json").json["recordedAt"]

    assert reprise.call("users", "show", "ann@example.com", "--at", recorded_at, "--json").json["version"] == 2
    assert complaint(reprise, "users", "show", "ann@example.com", "--at", "2020-01-01")[0] == 1


@pytest.mark.parametrize(
    "wanted", ["nobody@example.com", "no address@", "nobody", "00000000-0000-7000-8000-000000000000"]
)
@pytest.mark.parametrize("command", [["users", "show"], ["audit", "history"]], ids=" ".join)
def test_a_user_who_is_not_there_is_not_found(reprise: CommandLine, command: list[str], wanted: str) -> None:
    code, _ = complaint(reprise, *command, wanted)

    assert code == 1
    assert reprise.call(*command, wanted, "--json").json["error"]["code"] in {"not_found", "email_invalid"}


def test_the_history_of_a_user_has_every_fact_with_its_content(reprise: CommandLine) -> None:
    told = reprise.call("audit", "history", "ann@example.com", "--json").json

    assert [item["topic"] for item in told["items"]] == [
        "user.registered",
        "user.consent_granted",
        "email_claim.claimed",
    ]
    assert told["items"][0]["data"]["displayName"] == "Name of ann"
    assert told["position"] >= 5
    assert not told["hasMore"]


@pytest.mark.parametrize(
    ("given", "positions"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["--topic", "user.registered"], [1, 4]),
        (["--actor", "system:import"], [1, 2, 3, 4, 5]),
        (["--actor", "admin:ann"], []),
        (["--from", "2020-01-01", "--to", "2999-01-01T00:00:00+02:00"], [1, 2, 3, 4, 5]),
        (["--to", "2020-01-01"], []),
        (["--limit", "2"], [1, 2]),
        (["--limit", "2", "--all"], [1, 2, 3, 4, 5]),
    ],
)
def test_a_search_finds_what_is_asked_for(reprise: CommandLine, given: list[str], positions: list[int]) -> None:
    told = reprise.call("audit", "search", *given, "--json").json

    assert [item["position"] for item in told["items"]] == positions
    assert told["hasMore"] == (positions == [1, 2])


def test_a_search_finds_what_belongs_together(reprise: CommandLine) -> None:
    first = reprise.call("audit", "search", "--limit", "1", "--json").json["items"][0]

    def count(*given: str) -> int:
        return len(reprise.call("audit", "search", *given, "--json").json["items"])

    assert count("--user", first["userId"]) == 3
    assert count("--command", first["commandId"]) == 3
    assert count("--correlation", first["correlationId"]) == 5


def test_people_are_told_that_there_is_more(reprise: CommandLine) -> None:
    told = reprise.call("audit", "search", "--limit", "2").out.splitlines()

    assert len(told) == 3
    assert told[-1] == "There are more. Use --all or a higher --limit to see them."


def test_read_models_are_listed_and_rebuilt(reprise: CommandLine) -> None:
    reprise.call("audit", "search")
    before = models(reprise)

    rebuilt = reprise.call("projections", "rebuild", "user_timeline", "--json").json

    assert before["user_timeline"]["position"] >= 5
    assert (rebuilt["state"], rebuilt["rowsWritten"]) == ("succeeded", 5)
    assert models(reprise)["user_timeline"]["generation"] == before["user_timeline"]["generation"] + 1


def test_a_read_model_that_is_not_there_is_not_found(reprise: CommandLine) -> None:
    assert complaint(reprise, "projections", "rebuild", "weather") == (
        1,
        (
            "There is no read model with this name. The read models are: "
            "access_log, deletion_schedule, user_directory, user_statistics, user_timeline."
        ),
    )


def test_a_rebuild_that_fails_says_why(own: CommandLine, database: str) -> None:
    poison(database)

    code, told = complaint(own, "projections", "rebuild", "user_directory")

    assert code == 1
    assert told == (
        "The rebuild failed and changed nothing: PoisonEventError: position 6: UndecodableEventError. "
        "`reprise projections letters user_directory` has a letter about it."
    )


def test_a_read_model_that_stands_still_is_no_reason_to_wait(own: CommandLine, database: str) -> None:
    poison(database)

    code, told = complaint(own, "statistics", "users")

    assert (code, told) == (1, "A read model has stopped: position 6: UndecodableEventError.")


def test_the_log_is_told_with_its_head_and_its_topics(reprise: CommandLine) -> None:
    told = reprise.call("log", "status", "--topics", "--json").json

    looked_at = told["topics"].pop("access_record.people_read", 0)
    assert (told["head"], told["isWhole"]) == (5 + looked_at, True)
    assert told["topics"] == {"email_claim.claimed": 2, "user.consent_granted": 1, "user.registered": 2}
    assert told["firstRecordedAt"] <= told["lastRecordedAt"]


def test_who_looks_with_the_command_line_goes_on_record(reprise: CommandLine) -> None:
    known = len(reprise.call("audit", "accesses", "--all", "--json").json["items"])
    shown = reprise.call("users", "show", "ann@example.com", "--purpose", "TICKET-4711", "--json").json
    reprise.call("audit", "history", "ann@example.com")
    reprise.call("audit", "diff", "ann@example.com")
    reprise.call("audit", "search", "--topic", "user.registered")

    told = reprise.call("audit", "accesses", "--all", "--json").json["items"][known:]
    lines = reprise.call("audit", "accesses", "--all").out.splitlines()

    assert [(item["reading"], item["purpose"]) for item in told] == [
        ("state", "TICKET-4711"),
        ("timeline", None),
        ("diff", None),
        ("search", None),
    ]
    assert {(item["actor"], item["onBehalfOf"]) for item in told} == {("system:cli", pwd.getpwuid(os.getuid()).pw_name)}
    assert [item["userIds"] for item in told] == [[shown["user"]["id"]]] * 3 + [[]]
    assert json.loads(told[-1]["query"]) == {"topic": "user.registered"}
    assert len(lines) == known + 4
    assert "TICKET-4711" in lines[known]


def test_a_purpose_that_is_none_is_refused_by_the_command_line(reprise: CommandLine) -> None:
    refused = reprise.run("users", "show", "ann@example.com", "--purpose", "ann@example.com")

    assert (refused.code, refused.out) == (1, "")
    assert "A purpose must be a case or ticket" in refused.err


def test_a_log_that_is_not_whole_is_told_and_the_command_fails(own: CommandLine, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('UPDATE log.head SET "position" = 7')

    for_programs = own.call("log", "status", "--json")
    for_people = own.call("log", "status")

    assert (for_programs.code, for_people.code) == (1, 1)
    assert not for_programs.json["isWhole"]
    assert for_people.err == "reprise: The log is incomplete: positions are missing.\n"


def test_a_token_is_alone_on_its_line(nowhere: CommandLine) -> None:
    issued = nowhere.call("token", "--role", "admin").out

    assert issued.count("\n") == 1
    assert issued.count(".") == 2


def test_a_token_says_who_it_is_for(nowhere: CommandLine) -> None:
    told = nowhere.call(
        "token", "--role", "service", "--subject", "crm", "--client", "nightly", "--ttl", "60", "--json"
    )

    assert {name: told.json[name] for name in ("role", "subject", "client")} == {
        "role": "service",
        "subject": "crm",
        "client": "nightly",
    }


def test_keys_can_be_rotated(nowhere: CommandLine) -> None:
    def keys() -> list[Any]:
        published: list[Any] = json.loads((nowhere.home / "keys" / "jwks.json").read_bytes())["keys"]
        return published

    nowhere.call("token", "--role", "admin")
    before = keys()
    nowhere.call("token", "--role", "admin", "--rotate")

    assert keys()[: len(before)] == before
    assert len(keys()) == len(before) + 1


def test_commands_start_the_embedded_server_if_nothing_runs_and_stop_it_again(
    nowhere: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "people.jsonl"
    file.write_bytes(PEOPLE)

    assert nowhere.call("import", str(file), "--json").json["imported"] == 2
    assert nowhere.call("users", "show", "bob@example.com", "--json").json["user"]["country"] == "DE"
    assert not (nowhere.home / "postgres" / "run").exists()


def models(reprise: CommandLine) -> dict[str, Any]:
    return {model["name"]: model for model in reprise.call("projections", "list", "--json").json["items"]}


def poison(database: str) -> None:
    """Put something into the log that nobody can decode."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO log.event (position, recorded_at, stream_id, version, topic, state) "
            "VALUES (6, clock_timestamp(), gen_random_uuid(), 1, 'user.registered', '{}')"
        )
        connection.execute('UPDATE log.head SET "position" = 6')
    assert head_of(database) == 6
