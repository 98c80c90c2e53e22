"""What everybody may ask tells nothing of anybody, of this machine, or of what went wrong inside."""

import json
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from litestar.routes import HTTPRoute

from api.http.admission import PUBLIC
from api.http.problems import Failure
from application.read_models import READ_MODELS
from tests.support.api import Api, a_person, litestar_app, refusal, serving
from tests.support.own_server import own_server
from tests.support.poison import append_poison
from tests.support.running import follow_to_head, settings_in, worker
from tests.support.waiting import eventually

CANARY = "zq7canary"
PUBLIC_PATHS = sorted(
    route.path
    for route in litestar_app().routes
    if isinstance(route, HTTPRoute)
    for handler in route.route_handlers
    if "GET" in handler.http_methods and handler.opt.get(PUBLIC) and "{" not in route.path
)
_INSIDE = re.compile(
    r"/(?:root|home|tmp|usr|var|work)/|\.py\b|Traceback|Exception|[a-z]Error\b|\bSELECT |\bFROM \w+\.|psycopg|"
    r"127\.0\.0\.1:\d|\.s\.PGSQL"
)
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


def told(api: Api) -> dict[str, str]:
    """All that is told to everybody, by path."""
    stranger = api.with_token(None)
    with ThreadPoolExecutor(len(PUBLIC_PATHS)) as strangers:  # Each waits for a database that is gone.
        return dict(zip(PUBLIC_PATHS, strangers.map(lambda path: stranger.get(path).text, PUBLIC_PATHS), strict=True))


def assert_nothing_is_told(api: Api, *secrets: str) -> None:
    answers = told(api)
    # The reference and the schema are the same for all installations, and have examples in them.
    same = {path for path in answers if path.startswith(("/docs", "/schema"))}
    for path, text in answers.items():
        for secret in (CANARY, str(api.settings.home), *secrets):
            assert secret not in text, path
        if path not in same:
            assert not _INSIDE.search(text), (path, _INSIDE.search(text))
            assert not _ID.search(text), (path, text)


def failures(api: Api) -> dict[str, str]:
    """What readiness says is wrong, by check."""
    answer = api.with_token(None).get("/readyz")
    assert answer.status_code == 503
    return {check["name"]: check["failure"] for check in answer.json()["checks"] if not check["ok"]}


def somebody(api: Api) -> str:
    user_id: str = api.register(f"{CANARY}@example.com", displayName=CANARY, externalId=CANARY).json()["userId"]
    return user_id


def execute(api: Api, statement: Any, *arguments: Any) -> None:
    with psycopg.connect(api.conninfo, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement, arguments)


def a_wrong_row(api: Api, user_id: str) -> None:
    execute(
        api,
        "INSERT INTO projection.verification (name, generation, verified_at, rows, differing, finding) "
        "VALUES ('user_directory', 1, now(), 1, 1, %s)",
        f"row {user_id}: email {CANARY}@example.com differ from the log",
    )


def a_model_that_stands_still(api: Api, user_id: str) -> None:
    execute(api, "UPDATE projection.generation SET failure = %s", f"{user_id}: {CANARY} in {api.settings.home}/x.py")


def a_letter(api: Api, _: str) -> None:
    append_poison(api.conninfo)
    with worker(api.settings, api.conninfo):
        letters = "/v1/projections/user_directory/letters"
        eventually(lambda: api.admin.get(letters).json()["items"], "a letter")
    execute(api, "UPDATE projection.letter SET error = %s", CANARY)


def a_rebuild_that_failed(api: Api, user_id: str) -> None:
    execute(
        api,
        "INSERT INTO projection.rebuild (id, name, requested_by, version, fingerprint, state, failure, finished_at) "
        "VALUES (gen_random_uuid(), 'user_directory', 'worker', 999, '', 'failed', %s, now())",
        f"IntegrityError: {user_id} violates {CANARY} in {api.settings.home}",
    )


def a_file_of_keys_that_is_none(api: Api, user_id: str) -> None:
    api.settings.jwks_path.write_text(f'{{"keys": "{CANARY}", "user": "{user_id}"')


def a_file_of_keys_without_a_key(api: Api, _: str) -> None:
    api.settings.jwks_path.write_text(json.dumps({"keys": [{"kid": CANARY, "kty": "oct", "k": CANARY}]}))


def no_file_of_keys(api: Api, _: str) -> None:
    api.settings.jwks_path.unlink()


FAULTS: dict[Callable[[Api, str], None], tuple[str, Failure]] = {
    a_wrong_row: ("projection user_directory", Failure.ROWS_DIFFER),
    a_model_that_stands_still: ("projection user_directory", Failure.STOPPED),
    a_letter: ("projection user_directory", Failure.LETTER_OPEN),
    a_rebuild_that_failed: ("projection user_directory", Failure.UPGRADE_FAILED),
    a_file_of_keys_that_is_none: ("tokens", Failure.KEYS_UNREADABLE),
    a_file_of_keys_without_a_key: ("tokens", Failure.KEYS_EMPTY),
    no_file_of_keys: ("tokens", Failure.KEYS_MISSING),
}


def test_all_that_everybody_may_ask_is_looked_at() -> None:
    assert {"/healthz", "/readyz", "/metrics", "/schema/openapi.json", "/docs", "/v1/audit/keys"} <= set(PUBLIC_PATHS)


@pytest.mark.parametrize("injected", FAULTS, ids=lambda fault: fault.__name__.replace("_", " "))
def test_what_is_wrong_is_told_by_a_code_and_nothing_else(own_api: Api, injected: Callable[[Api, str], None]) -> None:
    user_id = somebody(own_api)
    follow_to_head(own_api.conninfo)
    assert own_api.with_token(None).get("/readyz").status_code == 200

    injected(own_api, user_id)

    check, code = FAULTS[injected]
    assert failures(own_api)[check] == code.value
    assert set(failures(own_api).values()) <= {failure.value for failure in Failure}
    assert_nothing_is_told(own_api, user_id, UUID(user_id).hex)


def test_when_nothing_is_wrong_nothing_is_told_either(own_api: Api) -> None:
    user_id = somebody(own_api)
    own_api.admin.get(f"/v1/users/{user_id}")
    own_api.with_token(None).get(f"/{CANARY}?{CANARY}={user_id}")
    own_api.with_token(CANARY).get(f"/v1/users/{user_id}", headers={"traceparent": CANARY})
    own_api.admin.post("/v1/users", a_person(f"{CANARY}@example.com"))
    follow_to_head(own_api.conninfo)

    assert_nothing_is_told(own_api, user_id, UUID(user_id).hex)


def test_a_database_with_another_schema_is_told_of_without_its_words(own_api: Api) -> None:
    user_id = somebody(own_api)
    execute(own_api, "ALTER TABLE projection.generation RENAME COLUMN failure TO elsewhere")
    execute(own_api, "ALTER VIEW projection.standing RENAME TO elsewhere")

    assert own_api.with_token(None).get("/readyz").status_code == 500
    assert_nothing_is_told(own_api, user_id)


@pytest.mark.long
def test_a_database_that_is_gone_is_told_of_without_its_words(tmp_path: Path) -> None:
    with own_server(tmp_path / "postgres") as server, serving(settings_in(tmp_path / "home"), server.conninfo) as api:
        user_id = somebody(api)

        server.stop(signal.SIGINT)

        refusal(api.with_token(None).get("/readyz"), 503, "database_unavailable")
        assert_nothing_is_told(api, user_id, str(tmp_path))


def test_those_who_may_are_told_more(own_api: Api) -> None:
    user_id = somebody(own_api)
    follow_to_head(own_api.conninfo)
    a_wrong_row(own_api, user_id)

    items = own_api.admin.get("/v1/projections").json()["items"]

    (directory,) = (item for item in items if item["name"] == "user_directory")
    assert (directory["fault"], user_id in directory["failure"]) == ("rows_differ", True)
    assert {item["fault"] for item in items if item["name"] != "user_directory"} == {None}
    assert len(items) == len(READ_MODELS)
