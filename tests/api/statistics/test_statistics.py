"""Statistics over HTTP: figures, how fresh they are, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.api import Api, refusal
from tests.support.counted_people import lively
from tests.support.running import follow_to_head


def asked(api: Api, path: str, **query: Any) -> Any:
    answer = api.admin.get(f"/v1/statistics/{path}", params=query)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["log-position"]) == api.head()
    return answer.json()["items"]


def test_figures_are_told_by_day_by_country_and_by_purpose(own_api: Api) -> None:
    day = datetime.now(UTC).date()
    lively(own_api)
    last = (day + timedelta(days=1)).isoformat()  # The test may have gone on past midnight.

    users = asked(own_api, "users", to=last)
    swedes = asked(own_api, "users", to=last, country="SE")
    consents = asked(own_api, "consents", to=last, purpose="ads")

    assert [len(items) for items in (users, swedes, consents)] == [30, 30, 30]
    assert [users[-1]["active"], swedes[-1]["active"], consents[-1]["consenting"]] == [3, 1, 2]
    assert [users[0]["active"], users[0]["day"]] == [0, (day - timedelta(days=28)).isoformat()]
    assert sum(item["registered"] for item in users) == 4
    assert sum(item["deletionRequested"] for item in swedes) == 1
    assert (sum(c["granted"] for c in consents), sum(c["withdrawn"] for c in consents)) == (3, 1)
    assert [(c["country"], c["active"]) for c in asked(own_api, "countries", day=last)] == [("NO", 2), ("SE", 1)]
    purposes = asked(own_api, "purposes", day=last)
    assert [(p["purpose"], p["consenting"]) for p in purposes] == [("ads", 2), ("research", 1)]


def test_figures_reflect_what_the_caller_has_seen_or_are_not_told(own_api: Api) -> None:
    follow_to_head(own_api.conninfo)
    seen = own_api.register().headers["log-position"]

    answer = own_api.admin.get("/v1/statistics/users", headers={"Min-Log-Position": seen})

    refusal(answer, 503, "position_not_reached")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("users?from=yesterday", 400, "parameter_invalid"),
        ("users?from=2026-01-31T12:00:00Z", 400, "parameter_invalid"),
        ("users?from=2026-02-30", 400, "parameter_invalid"),
        ("users?from=2026-02-02&to=2026-02-01", 400, "parameter_invalid"),
        ("users?from=2024-01-01&to=2025-01-01", 400, "parameter_invalid"),
        ("users?to=0001-01-01", 400, "parameter_invalid"),
        ("users?country=sweden", 422, "country_unknown"),
        ("users?purpose=ads", 400, "parameter_unknown"),
        ("countries?day=tomorrow", 400, "parameter_invalid"),
        ("consents", 400, "parameter_invalid"),
        ("consents?purpose=Ads!", 422, "consent_purpose_invalid"),
        ("purposes?country=XX", 422, "country_unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, query: str, status: int, code: str) -> None:
    refusal(api.admin.get(f"/v1/statistics/{query}"), status, code)


def test_a_whole_leap_year_can_be_told_at_once(api: Api) -> None:
    answer = api.admin.get("/v1/statistics/users?from=2024-01-01&to=2024-12-31")

    assert len(answer.json()["items"]) == 366
