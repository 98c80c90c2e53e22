"""Whatever is wrong with somebody's history, they can be erased, and their addresses become free."""

import psycopg
import pytest

from application.read_models import READ_MODELS
from application.user_directory import USER_DIRECTORY
from infrastructure.erasures.sweeping import Sweeping
from tests.api.test_unreadable_beside_readable import forgetful
from tests.support.api import Api, an_address, refusal
from tests.support.damage import DAMAGES, damage
from tests.support.poison import follow_all
from tests.support.read_models import rows_of
from tests.support.running import projector

CASE = {"reason": "case 7"}


@pytest.mark.parametrize("timeline", ["followed", "not there yet"])
@pytest.mark.parametrize("what", list(DAMAGES))
def test_somebody_who_cannot_be_read_can_be_erased(own_api: Api, what: str, timeline: str) -> None:
    address = an_address()
    user_id = own_api.user_id(address)
    own_api.admin.patch(f"/v1/users/{user_id}", {"displayName": "Bo", "country": "NO"})
    if timeline == "followed":
        follow(own_api)
    damage(own_api.conninfo, user_id, what)

    with forgetful(own_api) as api:
        erased = api.admin.post(f"/v1/users/{user_id}/erasure", CASE)
        assert erased.status_code == 200, erased.text
        assert api.admin.post(f"/v1/users/{user_id}/erasure", CASE).json()["version"] == erased.json()["version"]
        assert api.admin.post("/v1/users", {"email": address, "displayName": "Cy", "country": "SE"}).status_code == 201

    with forgetful(own_api) as api:
        refusal(api.admin.get(f"/v1/users/{user_id}"), 410, "user_is_erased")
        refusal(api.admin.patch(f"/v1/users/{user_id}", {"displayName": "Di"}), 410, "user_is_erased")
        assert api.admin.get(f"/v1/users/{user_id}/erasure").json()["reason"] == "case 7"
    follow(own_api)
    with psycopg.connect(own_api.conninfo) as owner, projector(own_api.conninfo) as connection:
        key = owner.execute("SELECT wrapped FROM keys.subject_key WHERE subject_id = %s", (user_id,)).fetchone()
        assert Sweeping(None).sweep_next(connection)
    assert key == (None,)
    assert user_id not in {str(row[0]) for row in rows_of(own_api.conninfo, USER_DIRECTORY)}


def follow(api: Api) -> None:
    with projector(api.conninfo) as connection:
        for model in READ_MODELS.values():
            follow_all(connection, model)
