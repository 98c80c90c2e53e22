"""What changed about a user between two moments, over HTTP and on the command line."""

from typing import Any

import pytest

from application.actors import Role
from tests.support.api import Api, Caller, refusal
from tests.support.cli import CommandLine

NOBODY = "0190c0de-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def life(api: Api) -> dict[str, Any]:
    """A user who moved twice, said something about mails and was suspended; and the instant of each version."""
    user = api.register(country="SE", displayName="Ada").headers["location"]
    api.admin.patch(user, {"country": "NO"})
    api.admin.patch(user, {"displayName": "Ada L."})
    api.admin.patch(user, {"country": "DK"})
    api.admin.put(f"{user}/consents/mails", {"granted": True, "documentVersion": "1"})
    api.as_(Role.SUPPORT, "carol").post(f"{user}/suspension", {"reason": "Spam"})
    instants = [api.admin.get(f"{user}/state?version={version}").json()["recordedAt"] for version in range(1, 7)]
    return {"user": user, "instants": instants}


def changes(answer: Any) -> dict[str, tuple[Any, Any]]:
    return {change["field"]: (change["old"], change["new"]) for change in answer.json()["changes"]}


def test_a_diff_tells_each_field_that_changed_and_the_last_fact_that_changed_it(
    life: dict[str, Any], admin: Caller
) -> None:
    answer = admin.get(f"{life['user']}/diff?from=1&to=6")

    assert changes(answer) == {
        "country": ("SE", "DK"),
        "displayName": ("Ada", "Ada L."),
        "consents.mails": (None, {"granted": True, "document_version": "1"}),
        "status": ("active", "suspended"),
    }
    told = {change["field"]: change for change in answer.json()["changes"]}
    assert (told["country"]["topic"], told["country"]["version"]) == ("user.country_changed", 4)
    assert (told["status"]["actor"], told["status"]["reason"]) == ("support:carol", "Spam")
    assert told["country"]["recordedAt"] == life["instants"][3]
    assert (answer.json()["old"]["version"], answer.json()["new"]["version"]) == (1, 6)


def test_a_diff_between_instants_is_that_between_the_versions_at_them(life: dict[str, Any], admin: Caller) -> None:
    by_instant = admin.get(f"{life['user']}/diff", params={"from": life["instants"][1], "to": life["instants"][3]})

    assert by_instant.json() == admin.get(f"{life['user']}/diff?from=2&to=4").json()
    assert changes(by_instant) == {"country": ("NO", "DK"), "displayName": ("Ada", "Ada L.")}


def test_a_diff_without_an_end_goes_up_to_now(life: dict[str, Any], admin: Caller) -> None:
    assert admin.get(f"{life['user']}/diff?from=2").json() == admin.get(f"{life['user']}/diff?from=2&to=6").json()


def test_before_the_registration_there_was_nothing(life: dict[str, Any], admin: Caller) -> None:
    answer = admin.get(f"{life['user']}/diff?from=0&to=1")

    assert changes(answer)["country"] == (None, "SE")
    assert answer.json()["old"] == {"version": 0, "position": None, "recordedAt": None}
    assert changes(admin.get(f"{life['user']}/diff?from=2020-01-01T00:00:00Z&to=1")) == changes(answer)


def test_what_was_changed_back_is_no_difference(api: Api) -> None:
    user = api.register(country="SE").headers["location"]
    for country in ("NO", "SE"):
        api.admin.patch(user, {"country": country})

    assert changes(api.admin.get(f"{user}/diff?from=1&to=3")) == {}
    assert changes(api.admin.get(f"{user}/diff?from=1&to=2")) == {"country": ("SE", "NO")}


@pytest.mark.parametrize("query", ["from=1&to=7", "from=7", "from=0&to=0", "from=0&to=2020-01-01T00:00:00Z"])
def test_a_moment_at_which_the_user_was_not_is_not_found(life: dict[str, Any], admin: Caller, query: str) -> None:
    refusal(admin.get(f"{life['user']}/diff?{query}"), 404, "moment_not_found")


def test_nobody_has_no_diff(admin: Caller) -> None:
    refusal(admin.get(f"/v1/users/{NOBODY}/diff?from=0"), 404, "moment_not_found")


@pytest.mark.parametrize("query", ["", "from=x", "from=-1", "from=1&to=", "from=99999999999", "from=3&to=2"])
def test_what_is_no_moment_is_refused(life: dict[str, Any], admin: Caller, query: str) -> None:
    refusal(admin.get(f"{life['user']}/diff?{query}"), 400, "parameter_invalid")


def test_the_command_line_tells_the_same(api: Api, life: dict[str, Any], admin: Caller) -> None:
    command_line = CommandLine(api.settings.home, api.conninfo)
    user = life["user"].rpartition("/")[2]

    by_version = command_line.call("audit", "diff", user, "--from", "1", "--to", "6", "--json")
    by_instant = command_line.call("audit", "diff", user, "--from", life["instants"][1], "--to", life["instants"][3])

    assert by_version.json == admin.get(f"{life['user']}/diff?from=1&to=6").json()
    assert [line.split()[:3] for line in by_instant.out.splitlines()[2:]] == [
        ["displayName", "Ada", "Ada"],
        ["country", "NO", "DK"],
    ]
    assert command_line.call("audit", "diff", user, "--from", "3", "--to", "2").code == 2
    assert command_line.call("audit", "diff", NOBODY).code == 1
