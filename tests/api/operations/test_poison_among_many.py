"""One event that cannot be folded, among those of ten thousand people, with API, worker and operator at work."""

from typing import Any

import pytest

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from application.statistics.user_statistics import USER_STATISTICS
from infrastructure.projections.verify.verifying import check_tally
from infrastructure.workers.duties import Duty
from tests.support.api import Api, Caller, refusal
from tests.support.multitude import Multitude
from tests.support.poison import failing_when
from tests.support.read_models import head_of, people_whose_rows_differ
from tests.support.running import projector, worker
from tests.support.waiting import eventually

PEOPLE = 10_000
CONCERNED = [model for model in READ_MODELS.values() if "user.country_changed" in model.topics]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The positions at which every read model fails, for as long as they are in here."""
    positions: set[int] = set()
    for model in CONCERNED:
        monkeypatch.setitem(READ_MODELS, model.name, failing_when(model, lambda r: r.position in positions))
    return positions


@pytest.mark.long
def test_one_person_is_held_and_the_other_9999_stay_current(own_api: Api, broken: set[int]) -> None:
    people = Multitude(own_api.conninfo, PEOPLE)
    admin = own_api.admin
    poison = people.move("NO") + PEOPLE // 2
    broken.add(poison)
    with worker(own_api.settings, own_api.conninfo, [Duty.READ_MODELS]):
        reach_head(admin, own_api.conninfo)
        people.move("DK")
        reach_head(admin, own_api.conninfo)

        held = people.streams[PEOPLE // 2]
        assert all(people_whose_rows_differ(own_api.conninfo, model) == {held} for model in CONCERNED)
        assert reasons_of_unreadiness(admin) == {f"projection {model.name}": "letter_open" for model in CONCERNED}
        assert unhealthy(admin) == {(model.name, 1, f"position {poison}: KeyError") for model in CONCERNED}

        broken.clear()
        for model in CONCERNED:
            retry_the_letter_of(admin, model)
        eventually(lambda: admin.get("/readyz").status_code == 200, "the service to be ready again")

    assert unhealthy(admin) == set()
    with projector(own_api.conninfo) as connection:
        assert check_tally(connection, USER_STATISTICS, 1).differing == 0
    assert [people_whose_rows_differ(own_api.conninfo, model) for model in CONCERNED] == [set()] * len(CONCERNED)


def reach_head(admin: Caller, conninfo: str) -> None:
    """Wait until every model has passed all there is in the log."""
    head = head_of(conninfo)
    eventually(lambda: all(item["position"] >= head for item in standings(admin)), "the models to reach the head")


def standings(admin: Caller) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = admin.get("/v1/projections").json()["items"]
    return items


def unhealthy(admin: Caller) -> set[tuple[str, int, str]]:
    return {(item["name"], item["letters"], item["failure"]) for item in standings(admin) if not item["healthy"]}


def reasons_of_unreadiness(admin: Caller) -> dict[str, str]:
    problem = refusal(admin.get("/readyz"), 503, "not_ready")
    return {check["name"]: check["failure"] for check in problem["checks"] if not check["ok"]}


def retry_the_letter_of(admin: Caller, model: Projection[Any]) -> None:
    letters = f"/v1/projections/{model.name}/letters"
    (letter,) = admin.get(letters).json()["items"]
    assert admin.post(f"{letters}/{letter['id']}/retries").status_code == 202
