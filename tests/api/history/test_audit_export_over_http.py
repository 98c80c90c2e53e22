"""Exports over HTTP: the whole of what a search finds, in a form that was asked for, and never a part as the whole."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.types import Message

from api.http.answers import Streamed
from application.actors import Role
from infrastructure.history.timeline import BATCH
from tests.api.users.test_lists import pages_of
from tests.support.api import Api, Caller, refusal, serving
from tests.support.audited import append_events
from tests.support.running import follow_to_head, settings_in

FACTS = 2 * BATCH + 1
EXPORT = "/v1/audit/events/export"
NOTHING = {"user": "0190c0de-0000-7000-8000-00000000dead", "topic": "user.erased"}
"""A filter that no fact fulfils."""


@pytest.fixture
def long_api(database: str, home: Path) -> Iterator[Api]:
    """An API whose timeline does not fit into two batches."""
    append_events(database, FACTS)
    follow_to_head(database)
    with serving(settings_in(home), database) as running:
        yield running


@pytest.fixture(scope="module")
def auditor(api: Api) -> Caller:
    return api.as_(Role.AUDITOR, "eve")


def test_everything_is_exported_whatever_the_form(long_api: Api) -> None:
    auditor = long_api.as_(Role.AUDITOR)
    searched = [item for page in pages_of(auditor, "/v1/audit/events?limit=200", {}) for item in page]

    lines = auditor.get(EXPORT)
    table = auditor.get(EXPORT, params={"format": "csv"})
    batch = auditor.get(EXPORT, params={"format": "cloudevents"})

    assert [json.loads(line) for line in lines.text.splitlines()] == searched
    assert len(searched) == FACTS
    assert [row["position"] for row in csv.DictReader(table.text.splitlines())] == [
        str(fact["position"]) for fact in searched
    ]
    assert [event["data"] for event in batch.json()] == searched
    assert {answer.headers["log-position"] for answer in (lines, table, batch)} == {str(FACTS)}


@pytest.mark.parametrize(
    ("request_", "media_type"),
    [
        ({}, "application/x-ndjson"),
        ({"headers": {"Accept": "*/*"}}, "application/x-ndjson"),
        ({"headers": {"Accept": "text/csv"}}, "text/csv; charset=utf-8; header=present"),
        ({"headers": {"Accept": "application/x-ndjson;q=0.5, text/*"}}, "text/csv; charset=utf-8; header=present"),
        ({"headers": {"Accept": "application/cloudevents-batch+json"}}, "application/cloudevents-batch+json"),
        ({"params": {"format": "jsonl"}, "headers": {"Accept": "text/csv, */*"}}, "application/x-ndjson"),
    ],
)
def test_the_form_is_that_of_the_format_or_else_what_accept_prefers(
    auditor: Caller, request_: dict[str, Any], media_type: str
) -> None:
    nothing = NOTHING | request_.pop("params", {})

    assert auditor.get(EXPORT, params=nothing, **request_).headers["content-type"] == media_type


@pytest.mark.parametrize(
    ("form", "empty"), [("jsonl", ""), ("csv", None), ("cloudevents", []), ("CSV", 400), ("parquet", 400)]
)
def test_an_export_of_nothing_is_well_formed_and_one_in_no_form_refused(auditor: Caller, form: str, empty: Any) -> None:
    answer = auditor.get(EXPORT, params=NOTHING | {"format": form})

    match empty:
        case 400:
            assert refusal(answer, 400, "parameter_invalid")["field"] == "format"
        case None:
            assert answer.text.startswith("position,userId,")
            assert len(answer.text.splitlines()) == 1
        case []:
            assert answer.json() == []
        case _:
            assert answer.text == empty


def test_a_form_that_there_is_not_cannot_be_accepted(auditor: Caller) -> None:
    problem = refusal(auditor.get(EXPORT, headers={"Accept": "application/json"}), 406, "not_acceptable")

    assert "text/csv" in problem["detail"]


def test_filters_hold_and_pages_and_cursors_are_for_searches(api: Api, auditor: Caller) -> None:
    registered = api.register()
    wanted = {"user": registered.json()["userId"], "topic": "user.registered"}
    reached = {"Min-Log-Position": registered.headers["log-position"]}

    (line,) = auditor.get(EXPORT, params=wanted, headers=reached).text.splitlines()

    assert json.loads(line)["userId"] == wanted["user"]
    assert refusal(auditor.get(EXPORT, params={"limit": 5}), 400, "parameter_unknown")
    refusal(auditor.get(EXPORT, headers={"Min-Log-Position": "999999999"}), 400, "position_unknown")


def test_the_head_of_an_export_comes_without_making_the_rest(long_api: Api) -> None:
    answer: httpx.Response = long_api.as_(Role.AUDITOR)("HEAD", EXPORT)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["log-position"] == str(FACTS)


class Listener:
    """The other end of a connection, which hangs up after some pieces."""

    def __init__(self, patience: int) -> None:
        self.heard: list[Any] = []
        self._patience = patience
        self._gone = asyncio.Event()

    async def receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.heard.append(message)
        if len(self.heard) > self._patience:
            self._gone.set()
        await asyncio.sleep(0)

    async def hear(self, pieces: AsyncIterator[bytes]) -> None:
        scope: Any = {"type": "http"}
        await Streamed(pieces, "text/csv", []).to_asgi_response()(scope, self.receive, self.send)


async def counting(made: list[int], fail_at: int = 1_000) -> AsyncIterator[bytes]:
    for number in range(1_000):
        made.append(number)
        if number == fail_at:
            raise ConnectionError
        yield b"%d" % number


async def test_nothing_more_is_made_when_nobody_listens() -> None:
    made: list[int] = []
    await Listener(patience=5).hear(counting(made))

    assert 5 <= len(made) < 10


async def test_an_error_on_the_way_never_looks_like_the_end() -> None:
    listener = Listener(patience=1_000)

    with pytest.raises(ConnectionError):
        await listener.hear(counting([], fail_at=3))

    assert [message["type"] for message in listener.heard] == ["http.response.start", *["http.response.body"] * 3]
    assert all(message["more_body"] for message in listener.heard[1:])
