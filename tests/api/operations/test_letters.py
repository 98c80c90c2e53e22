"""Letters over HTTP and on the command line: what could not be folded, and what is done about it."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from application.actors import Role
from application.read_models import READ_MODELS
from tests.support.api import Api, Caller, refusal
from tests.support.cli import CommandLine
from tests.support.poison import append_poison
from tests.support.running import settings_in, worker
from tests.support.waiting import eventually

DIRECTORY = "/v1/projections/user_directory/letters"


@pytest.fixture
def poisoned_api(own_api: Api) -> Api:
    """With one good person, and then one event that nobody can read."""
    own_api.register()
    append_poison(own_api.conninfo)
    return own_api


def test_an_event_that_cannot_be_folded_makes_the_service_not_ready_until_it_is_resolved(poisoned_api: Api) -> None:
    admin = poisoned_api.admin
    with worker(poisoned_api.settings, poisoned_api.conninfo):
        eventually(lambda: admin.get(DIRECTORY).json()["items"], "a letter")
        problem = refusal(admin.get("/readyz"), 503, "not_ready")
        failing = {check["name"]: check["failure"] for check in problem["checks"] if not check["ok"]}
        assert failing["projection user_directory"] == "letter_open"
        # The letter is written first, and then the model moves on.
        eventually(lambda: standing_of(admin)["position"] == 3, "the model to pass the event")
        standing = standing_of(admin)
        assert (standing["healthy"], standing["letters"], standing["position"]) == (False, 1, 3)
        assert 'projection_letters{projection="user_directory"} 1.0' in admin.get("/metrics").text

        for name in (m.name for m in READ_MODELS.values() if "user.registered" in m.topics and not m.lists_unreadable):
            resolve_the_letter_of(admin, name)

        eventually(lambda: admin.get("/readyz").status_code == 200, "the service to be ready again")


def standing_of(admin: Caller) -> dict[str, Any]:
    items: list[dict[str, Any]] = admin.get("/v1/projections").json()["items"]
    return next(item for item in items if item["name"] == "user_directory")


def resolve_the_letter_of(admin: Caller, name: str) -> None:
    eventually(lambda: admin.get(f"/v1/projections/{name}/letters").json()["items"], "a letter")
    (letter,) = admin.get(f"/v1/projections/{name}/letters").json()["items"]
    path = f"/v1/projections/{name}/letters/{letter['id']}"
    retried = admin.post(f"{path}/retries")
    assert (retried.status_code, retried.headers["location"]) == (202, path)
    eventually(lambda: admin.get(path).json()["attemptedAt"], "the retry")
    assert admin.get(path).json()["state"] == "open"

    admin.post(f"{path}/resolution", {"reason": "Written by hand"})
    eventually(lambda: admin.get(path).json()["state"] == "resolved", "the resolution")
    settled = admin.get(path).json()
    assert (settled["closedBy"], settled["reason"]) == ("admin:root", "Written by hand")
    refusal(admin.post(f"{path}/resolution", {"reason": "Again"}), 409, "letter_is_settled")


def test_what_is_not_there_cannot_be_settled(own_api: Api) -> None:
    admin = own_api.admin
    missing = f"{DIRECTORY}/{uuid.uuid4()}"

    refusal(admin.get("/v1/projections/nothing/letters"), 404, "projection_not_found")
    refusal(admin.get(missing), 404, "letter_not_found")
    refusal(admin.post(f"{missing}/retries"), 404, "letter_not_found")
    refusal(admin.post(f"{missing}/resolution", {"reason": "Known"}), 404, "letter_not_found")
    refusal(admin.post(f"{missing}/resolution", {"reason": " "}), 422, "reason_invalid")
    refusal(own_api.as_(Role.AUDITOR).post(f"{missing}/retries"), 403, "permission_denied")


def test_letters_can_be_settled_on_the_command_line(poisoned_api: Api, tmp_path: Path) -> None:
    reprise = CommandLine(poisoned_api.settings.home, poisoned_api.conninfo)
    assert reprise.call("projections", "letters").out == "There are no letters. Every event was folded.\n"
    with worker(settings_in(tmp_path), poisoned_api.conninfo):
        eventually(lambda: poisoned_api.admin.get(DIRECTORY).json()["items"], "a letter")
    (letter,) = reprise.call("projections", "letters", "user_directory", "--json").json["items"]

    tried = reprise.call("projections", "retry", letter["id"])
    assert (tried.code, tried.err) == (
        1,
        "reprise: The stream still cannot be folded: position 3: UndecodableEventError.\n",
    )
    assert reprise.call("projections", "resolve", letter["id"]).code == 2
    assert reprise.call("projections", "resolve", letter["id"], "--reason", "Written by hand").code == 0
    again = reprise.call("projections", "resolve", letter["id"], "--reason", "Written by hand")
    assert (again.code, again.err) == (1, "reprise: The letter is already settled, or its rows no longer exist.\n")
    assert reprise.call("projections", "retry", str(uuid.uuid4())).err == "reprise: There is no letter with this id.\n"
    table = reprise.call("projections", "letters", "user_directory").out
    assert "resolved" in table
    assert "Written by hand" in table
