"""Health, readiness, metrics and logs."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from prometheus_client.parser import text_string_to_metric_families

from application.actors import Role
from application.read_models import READ_MODELS
from infrastructure.release import this_release
from infrastructure.tokens.keys import SIGNING_KEY_FILE, Algorithms
from tests.support.api import Api, Caller, a_person, an_address, refusal
from tests.support.running import follow_to_head, worker
from tests.support.waiting import eventually


def test_a_process_that_answers_is_healthy_and_says_which_release_it_is(api: Api) -> None:
    answer = api.with_token(None).get("/healthz")
    release = this_release()

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": release.version, "build": release.build}


def test_the_service_is_ready_when_its_read_models_follow(api: Api) -> None:
    ready = api.with_token(None)
    eventually(lambda: ready.get("/readyz").status_code == 200, "the worker to have begun")

    assert [check["name"] for check in ready.get("/readyz").json()["checks"]] == [
        "database",
        "tokens",
        "log",
        "projection access_log",
        "projection deletion_schedule",
        "projection user_directory",
        "projection user_statistics",
        "projection user_timeline",
    ]


def test_a_read_model_that_was_never_followed_makes_the_service_not_ready(own_api: Api) -> None:
    problem = refusal(own_api.with_token(None).get("/readyz"), 503, "not_ready")

    failing = {check["name"]: check["failure"] for check in problem["checks"] if not check["ok"]}
    assert failing == {f"projection {name}": "never_followed" for name in READ_MODELS}


def test_a_read_model_that_is_far_behind_is_named_with_how_far(own_api: Api) -> None:
    follow_to_head(own_api.conninfo)
    own_api.register()
    assert own_api.with_token(None).get("/readyz").status_code == 200
    an_hour_passes(own_api)

    problem = refusal(own_api.with_token(None).get("/readyz"), 503, "not_ready")

    behind = [check for check in problem["checks"] if not check["ok"]]
    assert {check["name"] for check in behind} == {f"projection {name}" for name in READ_MODELS}
    assert {check["failure"] for check in behind} == {"behind"}
    assert all(check["lagEvents"] == 2 and check["lagSeconds"] > 3599 for check in behind)


def test_metrics_count_requests_by_route_and_tell_nothing_of_anybody(own_api: Api) -> None:
    follow_to_head(own_api.conninfo)
    registered = own_api.register(email := an_address())
    user = registered.headers["location"]
    own_api.admin.get(user)
    own_api.admin.get(f"{user}?secret={email}")
    own_api.admin.get(f"/{email}")
    own_api.admin("PROPFIND", "/v1/users")

    answer = own_api.with_token(None).get("/metrics")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }

    def requests(route: str, method: str, status: int) -> float | None:
        labels = sorted({"route": route, "method": method, "status": str(status)}.items())
        return samples.get(("reprise_http_request_duration_seconds_count", *labels))

    assert answer.headers["content-type"].startswith("text/plain")
    assert requests("/v1/users", "POST", 201) == 1
    assert requests("/v1/users/{user_id}", "GET", 200) == 1
    assert requests("/v1/users/{user_id}", "GET", 400) == 1
    assert requests("(unmatched)", "GET", 404) == 1
    assert requests("(unmatched)", "OTHER", 405) == 1
    assert samples[("reprise_log_head_position",)] == 2
    assert samples[("reprise_log_head_bytes",)] == 8_192
    assert samples[("reprise_projection_lag_events", ("projection", "user_directory"))] == 2
    assert samples[("reprise_projection_healthy", ("projection", "user_timeline"))] == 1
    assert samples[("reprise_database_reachable",)] == 1
    assert email not in answer.text
    assert user.rpartition("/")[2] not in answer.text


def test_a_rebuild_can_be_asked_for_and_watched(api: Api) -> None:
    admin = api.admin
    api.register()
    asked = admin.post("/v1/projections/user_directory/rebuilds")
    assert asked.status_code == 202
    assert asked.json()["name"] == "user_directory"

    eventually(lambda: admin.get(asked.headers["location"]).json()["state"] == "succeeded", "the rebuild")

    status = admin.get(asked.headers["location"]).json()
    assert status["requestedBy"] == "admin:root"
    assert status["eventsDone"] == status["eventsTotal"] > 0
    standing = {item["name"]: item for item in admin.get("/v1/projections").json()["items"]}
    assert standing["user_directory"]["generation"] == status["generation"] > 1
    refusal(admin.get(asked.headers["location"].replace("directory", "timeline")), 404, "rebuild_not_found")


def test_a_rebuild_is_followed_to_its_end_by_server_sent_events(api: Api) -> None:
    api.register()
    location = api.admin.post("/v1/projections/user_timeline/rebuilds").headers["location"]

    # The stream ends by itself, so that all of it can be waited for.
    answer = api.admin.get(f"{location}/progress", headers={"Accept": "text/event-stream"})

    assert answer.headers["content-type"] == "text/event-stream"
    assert int(answer.headers["log-position"]) > 0
    told = list(server_sent_events(answer.text))
    assert {name for name, _ in told[:-1]} <= {"progress"}
    assert told[-1] == ("end", api.admin.get(location).json())
    assert told[-1][1]["state"] == "succeeded"
    refusal(api.admin.get(f"{location}/progress", headers={"Accept": "application/json"}), 406, "not_acceptable")


def server_sent_events(text: str) -> Iterator[tuple[str, Any]]:
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])


def test_how_fast_a_model_is_followed_is_told(own_api: Api) -> None:
    def rate() -> float:
        items = own_api.admin.get("/v1/projections").json()["items"]
        return float(next(item["eventsPerSecond"] for item in items if item["name"] == "user_directory"))

    with worker(own_api.settings, own_api.conninfo):
        own_api.register()
        eventually(lambda: own_api.register().is_success and rate() > 0, "the first to be measured")
        assert 'projection_events_per_second{projection="user_directory"}' in own_api.admin.get("/metrics").text

        eventually(lambda: rate() == 0, "nothing to happen any more")


def test_what_is_not_there_cannot_be_rebuilt(admin: Caller) -> None:
    refusal(admin.post("/v1/projections/nothing/rebuilds"), 404, "projection_not_found")
    missing = "/v1/projections/user_directory/rebuilds/0190c0de-0000-7000-8000-00000000dead"
    refusal(admin.get(missing), 404, "rebuild_not_found")


def test_a_request_is_one_line_in_the_log_with_nothing_personal(
    own_api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    support = own_api.as_(Role.SUPPORT, "dave", client_id="console")
    person = a_person(displayName="Zaphod Beeblebrox")
    user_id = own_api.user_id(**person)
    follow_to_head(own_api.conninfo)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    capfd.readouterr()

    changed = support.patch(
        f"/v1/users/{user_id}",
        {"displayName": "Trillian Astra"},
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "Reprise-Reason": "She asked"},
    )
    support.get(f"/v1/users?email={person['email']}&q=zaphod")

    first, second = lines_of(capfd, "console", 2)
    assert first["route"] == "/v1/users/{user_id}"
    assert (first["method"], first["status"], first["client"]) == ("PATCH", "200", "console")
    assert (first["trace_id"], first["position"]) == (trace, str(changed.json()["position"]))
    assert float(first["ms"]) > 0
    assert (second["route"], second["method"], second["status"]) == ("/v1/users", "GET", "200")
    for secret in (user_id, person["email"], "Zaphod", "Trillian", "zaphod", "She asked", "dave", support.token or ""):
        assert secret not in str([first, second])


def test_who_is_refused_permission_is_named_in_the_log(own_api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    user_id, other = own_api.user_id(), own_api.user_id()
    capfd.readouterr()

    refusal(
        own_api.as_(Role.AUDITOR, "eve", client_id="spying").post("/v1/users", a_person()), 403, "permission_denied"
    )
    person = own_api.as_(Role.USER, user_id, client_id="spying")
    refusal(person.get(f"/v1/users/{other}"), 403, "permission_denied")
    assert person.get(f"/v1/users/{user_id}").is_success

    *refused, served = lines_of(capfd, "spying", 3)
    assert [(line["status"], line["actor"]) for line in refused] == [("403", "auditor:eve"), ("403", f"user:{user_id}")]
    assert (served["status"], served["actor"]) == ("200", "None")
    assert other not in str(refused)


def test_who_acts_for_somebody_else_is_named_with_them(own_api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    act = {"sub": "bob", "role": "support"}
    token = signed_here(own_api, role="auditor", sub="eve", act=act, client_id="console")
    capfd.readouterr()

    refusal(own_api.with_token(token).post("/v1/users", a_person()), 403, "permission_denied")

    (line,) = lines_of(capfd, "console", 1)
    assert (line["actor"], line["on_behalf_of"]) == ("support:bob", "eve")


CANARY = "zq7canary"
REFUSED_TOKENS = {
    "missing": {},
    "malformed": {"Authorization": f"Bearer {CANARY}.{CANARY}.{CANARY}"},
    "too_long": {"Authorization": f"Bearer {CANARY * 1000}"},
}


@pytest.mark.parametrize("fault", REFUSED_TOKENS)
def test_what_is_wrong_with_a_token_is_logged_and_nothing_that_it_says(
    own_api: Api, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    assert own_api.admin.get("/v1/projections").is_success
    capfd.readouterr()

    answer = own_api.with_token(None).get("/v1/users", headers=REFUSED_TOKENS[fault])

    assert_refused_for(fault, answer, capfd)


@pytest.mark.parametrize(
    ("fault", "claims"),
    [
        ("expired", {"exp": 1_000_000_000}),
        ("issuer", {"iss": CANARY}),
        ("audience", {"aud": CANARY}),
        ("subject", {"role": "user"}),
        ("claims", {"client_id": f"{CANARY} {CANARY}"}),
    ],
)
def test_a_token_that_was_signed_is_refused_without_its_words_in_the_log(
    own_api: Api, capfd: pytest.CaptureFixture[str], fault: str, claims: dict[str, Any]
) -> None:
    token = signed_here(own_api, **{"sub": CANARY, "role": "admin", **claims})
    capfd.readouterr()

    answer = own_api.with_token(token).get("/v1/users")

    assert_refused_for(fault, answer, capfd)


def assert_refused_for(fault: str, answer: httpx.Response, capfd: pytest.CaptureFixture[str]) -> None:
    problem = refusal(answer, 401, "token_missing" if fault == "missing" else "token_invalid")
    assert "fault" not in problem
    text: list[str] = []

    def lines() -> list[str]:
        text.append(capfd.readouterr().out)
        return [line for line in "".join(text).splitlines() if " status=401 " in line and " trace_id=" in line]

    eventually(lines, "the line")
    (line,) = lines()
    assert f" token_fault={fault} " in line
    assert " actor=None " in line
    assert CANARY not in line


def signed_here(api: Api, **claims: Any) -> str:
    """A token with these claims, signed with the key of the home."""
    api.issuer.publish()
    key = OKPKey.import_key(json.loads((api.settings.keys / SIGNING_KEY_FILE).read_text()))
    now = int(time.time())
    good = {"iss": "reprise", "aud": "reprise", "iat": now, "exp": now + 600}
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
    return jwt.encode(header, good | claims, key, registry=Algorithms())


def an_hour_passes(api: Api) -> None:
    """As far as the log is concerned."""
    with psycopg.connect(api.conninfo, autocommit=True) as connection, connection.transaction():
        connection.execute("ALTER TABLE log.event DISABLE TRIGGER event_is_append_only")
        connection.execute("UPDATE log.event SET recorded_at = recorded_at - interval '1 hour'")
        connection.execute("ALTER TABLE log.event ENABLE TRIGGER event_is_append_only")


def lines_of(capfd: pytest.CaptureFixture[str], client: str, count: int) -> list[dict[str, Any]]:
    """The next lines about requests of a client; each is written when its answer is on its way already."""
    text: list[str] = []  # One look may end within a line, and the next one begin there.

    def lines() -> list[str]:
        text.append(capfd.readouterr().out)
        return [line for line in "".join(text).splitlines() if f" client={client} " in line and " trace_id=" in line]

    eventually(lambda: len(lines()) >= count, f"{count} lines")
    found = lines()
    assert len(found) == count
    return [dict(pair.split("=", 1) for pair in line.split() if "=" in pair) for line in found]
