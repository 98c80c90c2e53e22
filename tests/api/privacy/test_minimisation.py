"""What people say about themselves is in the answers to who asked, and in no log line, metric, problem or cursor."""

from base64 import urlsafe_b64decode

import httpx
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.support.api import JSON_PROBLEM, Api, Caller, a_person
from tests.support.running import worker
from tests.support.waiting import eventually

CANARY = "zq7canary"
PEOPLE = [
    a_person(f"{CANARY}{n}@example.com", displayName=f"{CANARY} {n}", externalId=f"{CANARY}-{n}") for n in range(4)
]


def people_come(api: Api) -> list[str]:
    """Register some people, with the canary in all that they say."""
    headers = {"Idempotency-Key": f"{CANARY}-key", "Reprise-Reason": f"{CANARY} asked for it"}
    first = api.admin.post("/v1/users", PEOPLE[0], headers=headers).json()["userId"]
    return [first, *(api.user_id(**person) for person in PEOPLE[1:])]


def wrong_requests(admin: Caller, user_id: str) -> list[httpx.Response]:
    """Requests that are refused, with the canary wherever a client can put it."""
    user = f"/v1/users/{user_id}"
    return [
        admin.post("/v1/users", PEOPLE[0]),
        admin.post("/v1/users", a_person(f"{CANARY} at example.com")),
        admin.post("/v1/users", a_person(displayName=CANARY * 10)),
        admin.post("/v1/users", a_person(displayName=f"{CANARY}\x07")),
        admin.post("/v1/users", a_person(country=CANARY)),
        admin.post("/v1/users", a_person(locale=CANARY)),
        admin.post("/v1/users", a_person(birthDate=CANARY)),
        admin.post("/v1/users", a_person(externalId=f"{CANARY} with spaces")),
        admin("POST", "/v1/users", content=f'{{"email": "{CANARY}', headers={"Content-Type": "application/json"}),
        admin.post("/v1/users", PEOPLE[1], headers={"Idempotency-Key": f"{CANARY}-key"}),
        admin.post("/v1/users", PEOPLE[1], headers={"Idempotency-Key": f"{CANARY} {'x' * 255}"}),
        admin.patch(user, {"displayName": CANARY}, headers={"If-Match": f'"{CANARY}"'}),
        admin.patch(user, {"displayName": CANARY}, headers={"Correlation-Id": CANARY}),
        admin.put(f"{user}/consents/{CANARY.upper()}", {"granted": True, "documentVersion": "1"}),
        admin.put(f"{user}/consents/ads", {"granted": True, "documentVersion": f"{CANARY} "}),
        admin.post(f"{user}/email-change", {"email": PEOPLE[1]["email"]}),
        admin.post("/v1/email-verifications", {"token": CANARY}),
        admin.post(f"{user}/suspension", {"reason": f"{CANARY}\x00"}),
        admin.get(f"/v1/users/{CANARY}"),
        admin.get(f"/{CANARY}"),
        admin.get(f"/v1/users?q={CANARY}&cursor={CANARY}"),
        admin.get(f"/v1/users?createdAfter={CANARY}"),
        admin.get(f"/v1/users?limit={CANARY}"),
        admin.get("/v1/users", headers={"Min-Log-Position": CANARY}),
        admin.get(f"{user}/state?at={CANARY}"),
    ]


def test_a_refusal_never_repeats_what_was_sent(own_api: Api) -> None:
    user_id = people_come(own_api)[0]

    refused = wrong_requests(own_api.admin, user_id)

    assert [answer.headers["content-type"] for answer in refused] == [JSON_PROBLEM] * len(refused)
    assert [str(answer.request.url) for answer in refused if CANARY in answer.text.lower()] == []
    assert [name for answer in refused for name, value in answer.headers.items() if CANARY in value.lower()] == []


def test_neither_logs_nor_metrics_nor_cursors_tell_of_anybody(
    own_api: Api, server: EmbeddedPostgres, capfd: pytest.CaptureFixture[str]
) -> None:
    admin = own_api.admin
    with worker(own_api.settings, own_api.conninfo):
        user_id = people_come(own_api)[0]
        wrong_requests(admin, user_id)
        own_api.mailed_token(PEOPLE[0]["email"])
        position = {"Min-Log-Position": str(own_api.head())}
        eventually(lambda: admin.get("/v1/users", headers=position).is_success, "the directory")
        eventually(lambda: admin.get("/v1/audit/events", headers=position).is_success, "the timeline")
        paths = [f"/v1/users?q={CANARY}&limit=2", f"/v1/users/{user_id}/events?limit=1", "/v1/audit/events?limit=1"]
        pages = [admin.get(path).json() for path in paths]
    metrics = own_api.with_token(None).get("/metrics").text
    logged = capfd.readouterr()
    cursors = [page["nextCursor"] for page in pages]
    inside = [urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)) for cursor in cursors]

    assert CANARY in str(pages)
    assert "route=/v1/users" in logged.out
    assert CANARY not in (logged.out + logged.err).lower()
    assert CANARY not in metrics.lower()
    assert CANARY not in (server.socket_directory.parent / "postgres.log").read_text().lower()
    assert all(CANARY.encode() not in octets.lower() for octets in inside)
    assert CANARY not in str(cursors)
