"""Accounts as long and as heavy as anybody can make them hold nobody else up."""

import asyncio
import gc
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import uvicorn

from api.main import app_of, server_options
from application.policy import DAY
from domain.kernel import AggregateEvent
from domain.limits import Limit
from domain.users import User
from domain.users.values import DisplayName, Purpose
from domain.values import Country
from infrastructure.log.append import append
from infrastructure.log.stream_loader import PIECE
from infrastructure.settings import Settings
from tests.support.api import Api, described_api
from tests.support.event_loop import WatchedLoop
from tests.support.instants import CONFIRM_BY, NOW
from tests.support.running import follow_to_head, settings_in
from tests.support.sealing import new_keys
from tests.support.users import DOCUMENT, EMAIL, OTHER_EMAIL, REASON, an_active_user
from tests.support.waiting import PATIENCE_SECONDS, eventually

LONG, MANY = 10_000, 2_000
TURN_SECONDS = 0.05
"""How long others may have to wait for one turn."""
NAME_FIELDS = ("displayName", "country", "status", "pendingEmail")

CONTENTS: dict[tuple[str, str], dict[str, Any]] = {
    ("patch", "/v1/users/{userId}"): {"json": {"displayName": "Somebody Else"}},
    ("post", "/v1/users/{userId}/email-change"): {"json": {"email": "somebody.else@example.com"}},
    ("put", "/v1/users/{userId}/consents/{purpose}"): {"json": {"granted": False, "documentVersion": "9"}},
    ("post", "/v1/users/{userId}/suspension"): {"json": {"reason": "Spam"}},
    ("delete", "/v1/users/{userId}/suspension"): {"json": {"reason": "Not spam"}},
    ("post", "/v1/users/{userId}/erasure"): {"json": {"reason": "Case 17"}},
    ("get", "/v1/users/{userId}/state"): {"params": {"version": "last"}},
    ("get", "/v1/users/{userId}/diff"): {"params": {"from": 0}},
    ("get", "/v1/users/{userId}/events"): {"params": {"limit": 200}},
}
"""What an operation about one user needs besides their id."""
NO_LIMIT = Limit(1_000_000, DAY)
LAST = [("get", "/v1/users/{userId}/erasure"), ("post", "/v1/users/{userId}/erasure")]
"""After these there is nothing left to ask for."""


def a_long_life(length: int = LONG) -> User:
    """Somebody who changes their mind all the time, and whom staff cannot leave alone."""
    user = an_active_user(EMAIL)
    changes: list[Callable[[int], None]] = [
        lambda n: user.change_display_name(DisplayName(f"Ada {n}")),
        lambda n: user.change_country(Country("SE" if n % 2 else "NO")),
        lambda _: user.request_email_change(OTHER_EMAIL, CONFIRM_BY, NOW, NO_LIMIT),
        lambda _: user.request_email_change(EMAIL, CONFIRM_BY, NOW, NO_LIMIT),
        lambda _: user.suspend(REASON),
        lambda _: user.reinstate(REASON),
        lambda n: user.record_consent(Purpose(f"purpose-{n % 40}"), DOCUMENT, granted=n % 3 > 0),
    ]
    number = 0
    while user.version < length:
        changes[number % len(changes)](number)
        number += 1
    return user


def a_life_of_many_answers() -> User:
    """Somebody who answered about more purposes than they could today."""
    user = an_active_user(OTHER_EMAIL)
    for number in range(MANY):
        user._consent_granted(Purpose(f"purpose-{number}"), DOCUMENT)
    return user


async def record(settings: Settings, conninfo: str, users: list[User]) -> None:
    lives: dict[UUID, list[AggregateEvent]] = {user.id: list(user.collect_events()) for user in users}
    keys = await new_keys(settings, conninfo, lives)
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        for life in lives.values():
            for begin in range(0, len(life), 1_000):
                await append(connection, [keys.commit(life[begin : begin + 1_000])])


@contextmanager
def watched(settings: Settings, conninfo: str) -> Iterator[tuple[WatchedLoop, Api]]:
    """The API on a loop that is watched; nothing that this process did before is walked over meanwhile."""
    loop = WatchedLoop()
    options = server_options(settings) | {"host": "127.0.0.1", "port": 0}
    server = uvicorn.Server(uvicorn.Config(app_of(settings, conninfo), **options))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listening]),))
        thread.start()
        gc.freeze()
        gc.disable()
        try:
            eventually(lambda: server.started or not thread.is_alive(), "the API to start")
            assert server.started, "The API did not start; the log says why."
            with (
                httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as http,
                closing(Api(url, settings, conninfo, http)) as api,
            ):
                yield loop, api
        finally:
            gc.enable()
            gc.unfreeze()
            server.should_exit = True
            thread.join()
            loop.close()


def operations() -> list[tuple[str, str]]:
    """All that the API can be asked about one user."""
    found = [
        (method, path)
        for path, methods in described_api()["paths"].items()
        for method in methods
        if "{userId}" in path and method != "parameters"
    ]
    return sorted(found, key=lambda operation: (operation in LAST, LAST.index(operation) if operation in LAST else 0))


@pytest.mark.parametrize("life", [a_long_life, a_life_of_many_answers])
def test_no_operation_about_an_account_keeps_others_waiting(
    database: str, home: Path, life: Callable[[], User]
) -> None:
    settings = settings_in(home, REPRISE_WAIT_SECONDS="0.5")  # Nobody follows what the operations record.
    user = life()
    version = user.version
    asyncio.run(record(settings, database, [user]))
    follow_to_head(database)

    turns = dict[str, float]()
    with watched(settings, database) as (loop, api):
        api.admin.get("/v1/users")
        for method, path in operations():
            content = json.loads(json.dumps(CONTENTS.get((method, path), {})).replace('"last"', str(version)))
            place = path.replace("{userId}", str(user.id)).replace("{purpose}", "purpose-7")
            loop.longest_turn = 0.0
            if path.endswith("/export") and method == "get":
                place = api.admin.post(place).json()["url"]
                follow_to_head(database)
            answer = api.admin(method.upper(), place, **content)
            turns[f"{method} {path}"] = loop.longest_turn

            assert answer.status_code in {200, 201, 202, 204, 404, 409, 410}, (method, path, answer.text)

    assert {name: turn for name, turn in turns.items() if turn > TURN_SECONDS} == {}


@pytest.mark.parametrize("asked_at_once", [60])
def test_many_who_ask_for_a_long_account_at_once_keep_nobody_waiting(
    database: str, home: Path, asked_at_once: int
) -> None:
    settings = settings_in(home)
    user = a_long_life(2_000)
    asyncio.run(record(settings, database, [user]))

    async def ask(api: Api, path: str) -> list[int]:
        headers = {"Authorization": f"Bearer {api.admin.token}"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=PATIENCE_SECONDS) as client:
            answers = await asyncio.gather(*[client.get(path) for _ in range(asked_at_once)])
        return [answer.status_code for answer in answers]

    with watched(settings, database) as (loop, api):
        api.admin.get("/v1/users")
        loop.longest_turn = 0.0
        statuses = asyncio.run(ask(api, f"/v1/users/{user.id}"))

        assert statuses == [200] * asked_at_once
        assert loop.longest_turn < TURN_SECONDS


@pytest.mark.parametrize("length", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 1])
def test_where_a_long_life_is_read_in_pieces_does_not_show(database: str, home: Path, length: int) -> None:
    settings = settings_in(home)
    user = a_long_life(length)
    asyncio.run(record(settings, database, [user]))
    follow_to_head(database)

    with watched(settings, database) as (_, api):
        path = f"/v1/users/{user.id}"
        now = api.admin.get(path)
        then = api.admin.get(f"{path}/state?version={length}").json()
        first = api.admin.get(f"{path}/state?version=1").json()["user"]
        changes = {change["field"]: change for change in api.admin.get(f"{path}/diff?from=1").json()["changes"]}

    assert (now.headers["etag"], then["version"]) == (f'"{length}"', length)
    assert now.json() == then["user"]
    for field in NAME_FIELDS:
        old, new = first[field], then["user"][field]
        assert (field in changes) == (old != new)
        assert field not in changes or (changes[field]["old"], changes[field]["new"]) == (old, new)
