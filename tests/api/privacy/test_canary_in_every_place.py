"""Whatever a caller says, in any place of any request, it stays in clear only where the data map says that it may."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from application.data_map import Kind
from infrastructure.data_map import data_map
from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.infrastructure.privacy.test_data_map import places_of
from tests.support.api import Api, an_address
from tests.support.cli import CommandLine
from tests.support.every_request import Sample, every_request
from tests.support.running import follow_to_head, worker

CANARY = "zq7canary@people.example"
"""An address: whoever pastes one into the wrong place has named a person."""
HEADERS = (
    *("Accept", "Accept-Language", "Baggage", "Content-Type", "Cookie", "Forwarded", "From", "If-None-Match"),
    *("Origin", "Referer", "Tracestate", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id"),
)
"""Headers that nothing says are read, and that any client or proxy may send."""
SAMPLES = list(every_request())


def said_everywhere(sample: Sample, user_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same request again and again, with the canary in another place each time."""
    address, plain = sample.address(user_id), {"params": sample.query, "json": content_of(sample)}
    for name in sample.path_names:
        yield sample.address(user_id, **{name: CANARY}), plain
    for name in (*sample.query_names, CANARY):
        yield address, plain | {"params": sample.query | {name: CANARY}}
    for name in (*sample.header_names, *HEADERS):
        yield address, plain | {"headers": {name: CANARY}}
    for name in (*sample.fields, *([CANARY] if sample.fields else [])):
        yield address, plain | {"json": (sample.content or {}) | {name: CANARY}}
    yield address, {"params": sample.query, "content": CANARY.encode()}


def content_of(sample: Sample) -> Any:
    has_address = isinstance(sample.content, dict) and "email" in sample.content
    return sample.content | {"email": an_address()} if has_address else sample.content


def say_it_everywhere(api: Api) -> list[httpx.Response]:
    answers = []
    for sample in SAMPLES:
        user_id = api.user_id()
        for address, request in said_everywhere(sample, user_id):
            answers.append(api.admin(sample.method, address, **request))
    answers += [api.admin.get(f"/{CANARY}"), api.admin(f"ZQ7CANARY{len(answers)}", "/healthz")]
    answers += [api.with_token(CANARY).get("/v1/users"), api.with_token(None).get(f"/docs?{CANARY}")]
    return answers


def declared() -> set[tuple[str, str]]:
    return {(h.place.split()[-1], field) for h in data_map() if h.kind is Kind.READABLE for field in h.fields}


def test_every_place_is_one_of_those_that_the_description_names() -> None:
    assert {name for sample in SAMPLES for name in sample.query_names} >= {"actor", "topic", "q", "cursor", "token"}
    assert {name for sample in SAMPLES for name in sample.header_names} >= {"Reprise-Reason", "Reprise-Purpose"}
    assert {name for sample in SAMPLES for name in sample.fields} >= {"displayName", "reason", "documentVersion"}
    assert all(sample.query_names or sample.path_names or sample.fields for sample in SAMPLES if sample.query)


def test_what_callers_say_is_in_clear_nowhere_but_where_it_may_be(
    own_api: Api,
    server: EmbeddedPostgres,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # What libraries log from this level on is in the logs of the processes.
    with caplog.at_level(logging.WARNING), worker(own_api.settings, own_api.conninfo):
        answers = say_it_everywhere(own_api)
        own_api.head()
    follow_to_head(own_api.conninfo)
    metrics = own_api.with_token(None).get("/metrics").text
    logged = capfd.readouterr()

    assert {status // 100 for status in (answer.status_code for answer in answers)} == {2, 4}
    assert "zq7canary" not in (logged.out + logged.err + caplog.text).lower()
    assert "zq7canary" not in metrics.lower()
    assert "zq7canary" not in (server.socket_directory.parent / "postgres.log").read_text().lower()
    assert set(places_of(own_api.conninfo, "zq7canary")) - declared() == set()


@pytest.mark.parametrize("path", ["/v1/audit/events", "/v1/audit/events/export", "/v1/audit/accesses"])
@pytest.mark.parametrize(
    "actor",
    [
        *("", CANARY, "Ada Lovelace", "user:Ada", f"user:{CANARY}", "boss:ann", "admin:", "admin:Ada Lovelace"),
        *("admin:é", "system:Ada.Lovelace", "admin:" + 256 * "x", "ADMIN:ann", ":ann", "admin"),
    ],
)
def test_an_actor_is_searched_for_in_the_form_in_which_facts_name_them(api: Api, path: str, actor: str) -> None:
    answer = api.admin.get(path, params={"actor": actor})

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "parameter_invalid", "actor")


@pytest.mark.parametrize("path", ["/v1/audit/events", "/v1/audit/events/export"])
@pytest.mark.parametrize("topic", ["", CANARY, "Ada Lovelace", "user", "user.never_happens", "USER.REGISTERED"])
def test_a_topic_is_one_that_there_is(api: Api, path: str, topic: str) -> None:
    answer = api.admin.get(path, params={"topic": topic})

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "parameter_invalid", "topic")


@pytest.mark.parametrize(
    "actor",
    [
        *("admin:root", "support:carol@staff.example", "service:crm/2", "system:import", "system:access-records"),
        *("user:recipient-of-mail", "user:0190c0de-0000-7000-8000-00000000dead"),
    ],
)
def test_every_actor_that_can_be_on_record_can_be_searched_for(api: Api, actor: str) -> None:
    found = [api.admin.get(path, params={"actor": actor}) for path in ("/v1/audit/events", "/v1/audit/accesses")]

    assert [answer.status_code for answer in found] == [200, 200]


@pytest.mark.parametrize("option", [("--actor", "Ada Lovelace"), ("--topic", CANARY)])
def test_the_command_line_takes_no_other_filters(
    database: str, own_api: Api, option: tuple[str, str], tmp_path: Any
) -> None:
    command_line = CommandLine(own_api.settings.home, database)

    ended = command_line.call("audit", "search", *option, "--output", str(tmp_path / "facts"))

    assert ended.code == 2
    assert list(places_of(database, option[1].lower())) == []
