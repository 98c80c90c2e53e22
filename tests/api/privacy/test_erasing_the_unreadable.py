"""Whatever is wrong with somebody's history, they can be erased, and their addresses become free."""

import psycopg
import pytest

from application.read_models import READ_MODELS
from application.users.directory import USER_DIRECTORY
from infrastructure.privacy.sweeping import Sweeping
from tests.api.history.test_unreadable_beside_readable import forgetful
from tests.support.api import Api, an_address, refusal
from tests.support.damage import DAMAGES, damage
from tests.support.poison import follow_all
from tests.support.read_models import rows_of
from tests.support.running import projector

CASE = {"reason": "case 7"}


@pytest.mark.parametrize("timeline", ["followed", "not there yet"])
def test_people_who_cannot_be_read_can_be_erased(own_api: Api, timeline: str, subtests: pytest.Subtests) -> None:
    addresses = {what: an_address() for what in DAMAGES}
    people = {what: own_api.user_id(address) for what, address in addresses.items()}
    for user_id in people.values():
        own_api.admin.patch(f"/v1/users/{user_id}", {"displayName": "Bo", "country": "NO"})
    if timeline == "followed":
        follow(own_api)
    for what, user_id in people.items():
        damage(own_api.conninfo, user_id, what)

    with forgetful(own_api) as api:
        for what, user_id in people.items():
            with subtests.test("erasing", what=what):
                erased = api.admin.post(f"/v1/users/{user_id}/erasure", CASE)
                assert erased.status_code == 200, erased.text
                again = api.admin.post(f"/v1/users/{user_id}/erasure", CASE)
                assert again.json()["version"] == erased.json()["version"]
                successor = {"email": addresses[what], "displayName": "Cy", "country": "SE"}
                assert api.admin.post("/v1/users", successor).status_code == 201

    follow(own_api)
    with forgetful(own_api) as api, projector(own_api.conninfo) as connection:
        assert [Sweeping(None).sweep_next(connection) for _ in people] == [True] * len(people)
        keys = keys_of(own_api)
        rows = {str(row[0]) for row in rows_of(own_api.conninfo, USER_DIRECTORY)}
        for what, user_id in people.items():
            with subtests.test("erased", what=what):
                refusal(api.admin.get(f"/v1/users/{user_id}"), 410, "user_is_erased")
                refusal(api.admin.patch(f"/v1/users/{user_id}", {"displayName": "Di"}), 410, "user_is_erased")
                assert api.admin.get(f"/v1/users/{user_id}/erasure").json()["reason"] == "case 7"
                assert keys[user_id] is None
                assert user_id not in rows


def keys_of(api: Api) -> dict[str, bytes | None]:
    """The wrapped keys of all people; None of those that were destroyed."""
    with psycopg.connect(api.conninfo) as owner:
        return dict(owner.execute("SELECT subject_id::text, wrapped FROM keys.subject_key").fetchall())


def follow(api: Api) -> None:
    with projector(api.conninfo) as connection:
        for model in READ_MODELS.values():
            follow_all(connection, model)
