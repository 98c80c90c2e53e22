"""The load generator says what it did, and never sends a version that is out of date."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.command_load import PATTERN, command_steps
from benchmarks.load_generator import LoadGenerator, LoadResult, Step, Subject, ToolMissingError, compiled
from benchmarks.suites.lifecycle import steps as lifecycle_steps

CONNECTIONS, REQUESTS = 6, 300


class Accounts(ThreadingHTTPServer):
    """Versions of users, changed only by whoever knows them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, users: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.versions: Counter[str] = Counter(users)
        self.keys: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.stale = 0


class Handler(BaseHTTPRequestHandler):
    """Registers with POST /v1/users, changes with anything else."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Accounts

    def do_POST(self) -> None:
        self._carry_out()

    def do_PATCH(self) -> None:
        self._carry_out()

    def do_GET(self) -> None:
        self._answer(200, self.path.split("/")[3])

    def _carry_out(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        self.server.keys[self.headers["Idempotency-Key"]] += 1
        if self.path == "/v1/users":
            user = str(uuid.uuid4())
            self.server.versions[user] += 1
            self._answer(201, user)
            return
        user = self.path.split("/")[3]
        if self.headers.get("If-Match") not in {None, f'"{self.server.versions[user]}"'}:
            self.server.stale += 1
            self._answer(412, user)
            return
        self.server.versions[user] += 1
        self._answer(200, user)

    def _answer(self, status: int, user: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.send_header("ETag", f'"{self.server.versions[user]}"')
        self.send_header("Location", f"/v1/users/{user}")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def generator(tmp_path: Path) -> LoadGenerator:
    try:
        return compiled(tmp_path)
    except ToolMissingError as missing:
        pytest.skip(str(missing))


def test_each_request_is_answered_as_expected_and_counted_once(generator: LoadGenerator) -> None:
    with _accounts() as accounts:
        result = _run(generator, accounts, command_steps("token"))

    registered = sum(1 for body in accounts.bodies if b'"email"' in body)
    assert (result.sent, result.answered, result.errors) == (REQUESTS, REQUESTS, 0)
    assert result.acknowledged(*PATTERN) == len(accounts.bodies) == REQUESTS
    assert result.acknowledged("register") == registered
    assert result.statuses == {"200": REQUESTS - registered, "201": registered}
    assert result.milliseconds.samples == REQUESTS


def test_no_two_requests_have_the_same_idempotency_key_or_content(generator: LoadGenerator) -> None:
    with _accounts() as accounts:
        _run(generator, accounts, command_steps("token"))

    assert set(accounts.keys.values()) == {1}
    assert len(set(accounts.bodies)) == REQUESTS


def test_a_version_that_was_sent_is_never_out_of_date(generator: LoadGenerator) -> None:
    with _accounts() as accounts:
        result = _run(generator, accounts, command_steps("token"))

    assert result.acknowledged("change_version") > 0
    assert accounts.stale == 0


def test_what_a_registration_made_is_what_the_next_steps_are_about(generator: LoadGenerator) -> None:
    with _accounts() as accounts:
        result = _run(generator, accounts, lifecycle_steps("token"))

    made = list(accounts.versions.values())[CONNECTIONS * 2 :]
    assert result.errors == 0
    assert len(made) == result.acknowledged("register")
    assert set(made) <= {1, 2, 3, 4}


def test_an_answer_with_another_status_is_an_error(generator: LoadGenerator) -> None:
    wrong = Step(name="read", status=404, method="GET", path="/v1/users/somebody")

    with _accounts() as accounts:
        result = _run(generator, accounts, [wrong])

    assert (result.errors, result.statuses) == (REQUESTS, {"200": REQUESTS})
    assert result.first_error is not None
    assert result.first_error.startswith("HTTP/1.1 200")


@contextmanager
def _accounts() -> Iterator[Accounts]:
    accounts = Accounts([str(uuid.uuid4()) for _ in range(CONNECTIONS * 2)])
    thread = threading.Thread(target=accounts.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield accounts
    finally:
        accounts.shutdown()
        thread.join()
        accounts.server_close()


def _run(generator: LoadGenerator, accounts: Accounts, steps: list[Step]) -> LoadResult:
    return generator.run(
        accounts.server_port,
        steps,
        [Subject(user, version) for user, version in accounts.versions.items()],
        connections=CONNECTIONS,
        warm_up_seconds=0,
        seconds=30,
        requests=REQUESTS,
        staggered=len(steps) == len(PATTERN),
    )
