"""`reprise projections` verify and rebuild --rollback, and what the API tells of checks."""

from pathlib import Path

import pytest

from application.users.directory import USER_DIRECTORY
from tests.support.api import Api, refusal
from tests.support.cli import CommandLine
from tests.support.read_models import head_of, rows_of
from tests.support.running import follow_to_head, projector


@pytest.fixture
def reprise(history: str, home: Path) -> CommandLine:
    follow_to_head(history)
    return CommandLine(home, history)


@pytest.mark.parametrize("option", [("--all",), ("--sample", "200"), ()])
def test_rows_that_are_right_are_said_to_be(reprise: CommandLine, option: tuple[str, ...]) -> None:
    done = reprise.call("projections", "verify", "user_directory", *option)

    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(" rows of user_directory match the log.\n")


def test_a_wrong_row_is_shown_with_both_values(reprise: CommandLine, history: str) -> None:
    key = rows_of(history, USER_DIRECTORY)[5][0]
    with projector(history) as connection:
        connection.execute("UPDATE read_model.user_directory_1 SET name_key = 'mallory' WHERE user_id = %s", (key,))

    done = reprise.call("projections", "verify", "user_directory", "--all")
    document = reprise.call("projections", "verify", "user_directory", "--all", "--json").json
    unknown = reprise.call("projections", "verify", "nothing")

    assert done.code == 1
    assert all(word in done.out for word in (str(key), "name_key", "mallory", "1 of 60 rows"))
    (difference,) = document["differences"]
    assert (difference["key"], difference["actual"]["name_key"]) == (str(key), "mallory")
    assert (unknown.code, unknown.err[:42]) == (1, "reprise: There is no read model with this ")


def test_a_rebuild_can_be_rolled_back(reprise: CommandLine, history: str) -> None:
    nothing = reprise.call("projections", "rebuild", "user_directory", "--rollback")
    assert (nothing.code, nothing.out) == (1, "")
    assert "there are no earlier rows of this version" in nothing.err
    reprise.call("projections", "rebuild", "user_directory")

    back = reprise.call("projections", "rebuild", "user_directory", "--rollback")

    assert (back.code, back.out) == (
        0,
        "user_directory uses its rows from before the last rebuild again, brought up to date.\n",
    )
    (standing, *_) = reprise.call("projections", "list", "--json").json["items"]
    assert (standing["generation"], standing["position"]) == (1, head_of(history))


def test_wrong_rows_make_the_service_not_ready(own_api: Api) -> None:
    own_api.register()
    follow_to_head(own_api.conninfo)
    reprise = CommandLine(own_api.settings.home, own_api.conninfo)
    with projector(own_api.conninfo) as connection:
        connection.execute("UPDATE read_model.user_directory_1 SET country = 'XX'")

    reprise.call("projections", "verify", "user_directory")

    problem = refusal(own_api.with_token(None).get("/readyz"), 503, "not_ready")
    (failing,) = [check for check in problem["checks"] if not check["ok"]]
    assert failing["failure"] == "rows_differ"
    standing = {item["name"]: item for item in own_api.admin.get("/v1/projections").json()["items"]}
    assert standing["user_directory"]["failure"].endswith("country differ from the log")
    assert standing["user_directory"]["verifiedAt"] is not None
    assert standing["user_timeline"]["verifiedAt"] is None
