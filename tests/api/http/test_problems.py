"""Problem documents: one for every refusal, with a status and a stable code."""

from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from litestar import Litestar, get
from litestar.exceptions import HTTPException

from api.http.admission import admit
from api.http.exception_handlers import exception_handlers
from api.http.problems import STATUS_OF_ERROR, Kind, document_of, problems_as_markdown, status_of
from api.http.requests import ApiRequest
from api.main import DATABASE_ERRORS
from application.access_tokens import NoTokenKeysError, TokenRefusedError
from application.commands import IdempotencyKeyReusedError, LogUnavailableError, WriteConflictError
from application.queries import (
    CursorInvalidError,
    PositionNotReachedError,
    PositionUnknownError,
    TooManyWaitingError,
)
from domain import errors
from infrastructure.postgres.unavailability import is_unavailable
from tests.support.all_errors import LEAVES
from tests.support.api import refusal, serving
from tests.support.cut_line import CuttableLine
from tests.support.running import settings_in

SECRET = "zq7-personal-value"
CATEGORIES = {errors.NotFound, errors.Gone, errors.Conflict, errors.RuleBroken}


@pytest.mark.parametrize("error", LEAVES)
def test_everything_the_domain_refuses_has_a_status_a_code_and_a_sentence(error: type[errors.DomainError]) -> None:
    problem = document_of(error.__new__(error))

    assert 400 <= problem.status < 500
    assert (problem.code, problem.detail) == (error.code, error.sentence)
    assert problem.field == ("If-Match" if error is errors.VersionIsStale else error.field)


def test_an_error_of_an_area_has_the_status_of_its_category_without_a_line_in_the_api() -> None:
    class BadgeTaken(errors.Conflict):
        code = "badge_taken"
        sentence = "This badge is already taken."
        field = "badge"

    problem = document_of(BadgeTaken())

    assert (problem.status, problem.code, problem.field) == (409, "badge_taken", "badge")


def test_an_error_of_no_category_has_no_status() -> None:
    class Unheard(errors.DomainError):
        code = "unheard"
        sentence = "No category says what this is."

    with pytest.raises(LookupError):
        document_of(Unheard())


def test_the_table_has_the_categories_and_the_errors_that_differ_from_theirs() -> None:
    exceptions = {error: status for error, status in STATUS_OF_ERROR.items() if error in LEAVES}

    assert set(STATUS_OF_ERROR) - set(exceptions) == CATEGORIES
    assert all(status_of(error.__bases__[0]) != status for error, status in exceptions.items())


def test_no_two_refusals_have_the_same_code() -> None:
    codes = [kind.code for kind in Kind] + [error.code for error in LEAVES]

    assert len(codes) == len(set(codes))


def test_the_guide_lists_every_code() -> None:
    assert problems_as_markdown(LEAVES) in Path("docs/problems.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TokenRefusedError(), 401, "token_invalid"),
        (NoTokenKeysError(), 503, "token_keys_missing"),
        (IdempotencyKeyReusedError(), 422, "idempotency_key_reused"),
        (CursorInvalidError(SECRET), 400, "cursor_invalid"),
        (PositionNotReachedError(), 503, "position_not_reached"),
        (PositionUnknownError(), 400, "position_unknown"),
        (TooManyWaitingError(), 503, "too_many_waiting"),
        (WriteConflictError(), 409, "write_conflict"),
        (LogUnavailableError(), 503, "log_unavailable"),
        (psycopg.OperationalError(SECRET), 503, "database_unavailable"),
        (psycopg.errors.AdminShutdown(SECRET), 503, "database_unavailable"),
        (ConnectionRefusedError(SECRET), 503, "database_unavailable"),
        (TimeoutError(SECRET), 503, "database_unavailable"),
        (psycopg.errors.UniqueViolation(SECRET), 500, "internal_error"),
        (FileNotFoundError(SECRET), 500, "internal_error"),
        (ValueError(SECRET), 500, "internal_error"),
        (HTTPException(SECRET, status_code=418), 400, "request_malformed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_whatever_goes_wrong_is_answered_with_a_document_that_tells_nothing_of_it(
    error: Exception, status: int, code: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await answer_to(error)

    refusal(answer, status, code)
    assert SECRET not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert ("retry-after" in answer.headers) == (status == 503 or code == "write_conflict")
    assert [entry["event"] for entry in of_requests(logs)] == (["request.failed"] if status == 500 else [])
    assert SECRET not in str(logs)


async def test_our_own_bug_is_on_record_by_kind_and_place() -> None:
    with structlog.testing.capture_logs() as logs:
        await answer_to(ZeroDivisionError(SECRET))

    (entry,) = of_requests(logs)
    assert (entry["log_level"], entry["error"], entry["route"]) == ("error", "ZeroDivisionError", "/raise")
    assert "test_problems.py" in entry["trace"][-1]


def of_requests(logs: Sequence[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    """What was logged about requests: a service that runs beside the test has background work that logs, too."""
    return [entry for entry in logs if entry["event"].startswith("request")]


async def answer_to(error: Exception) -> httpx.Response:
    """What a client gets when a handler raises an error."""

    @get("/raise", public=True)
    async def fail() -> None:
        raise error

    app = Litestar(
        [fail],
        before_request=admit,  # type: ignore[arg-type]
        exception_handlers=exception_handlers(DATABASE_ERRORS, is_unavailable),
        request_class=ApiRequest,
        openapi_config=None,
        logging_config=None,
    )
    async with client_of(app) as client:
        return await client.get("/raise")


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
        yield client


@pytest.mark.long
def test_a_database_that_does_not_answer_is_nobodys_fault_and_worth_another_try(database: str, home: Path) -> None:
    with CuttableLine(database) as line, serving(settings_in(home), line.conninfo) as api:
        user = api.register().headers["location"]
        assert api.admin.get(user).status_code == 200
        line.go_down()

        answer = api.admin.get(user)

    refusal(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"
